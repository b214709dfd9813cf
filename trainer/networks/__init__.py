"""Networks by name; each takes uint8 pictures and gives logits."""
