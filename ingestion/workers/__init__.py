"""Converts images on all cores, and sorts the records on disk."""
