"""Networks from publications, each with its settings and its source."""
