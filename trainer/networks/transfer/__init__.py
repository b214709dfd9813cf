"""A pretrained backbone with a new last layer."""
