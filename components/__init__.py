"""TFX components of our own, each a drop-in beside TFX's standard ones."""
