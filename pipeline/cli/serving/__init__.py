"""Commands that serve a model and query it."""
