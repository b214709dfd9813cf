"""The networks, by name; each maps uint8 images to logits."""
