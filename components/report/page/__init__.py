"""Renders the report as one HTML file: numbers, charts, templates."""
