"""Converts pictures on all cores, and sorts the records on disk."""
