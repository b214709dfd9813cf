"""The report as one HTML file: numbers, charts, templates."""
