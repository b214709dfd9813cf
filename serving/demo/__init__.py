"""A page that names the breed of a picture dropped on it."""
