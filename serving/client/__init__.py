"""Calls a model server with pictures."""
