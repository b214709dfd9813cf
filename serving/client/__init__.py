"""Clients that send images to a model server."""
