"""Canary: serves the candidate with a real model server and checks its answers before the push."""
