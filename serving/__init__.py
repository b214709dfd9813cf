"""How a pushed model is reached."""
