"""Loaded models: versions, loading, batching and warm-up."""
