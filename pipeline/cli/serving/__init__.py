"""Commands that serve a model and ask it."""
