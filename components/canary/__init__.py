"""Canary: serves the candidate for a moment, as production would, before it is pushed."""
