"""Networks as they were published, each with its settings and its source."""
