"""Commands that train: `run`, `compare`, and what they can be told."""
