"""Exports the trained model as a servable: signatures, warm-up requests, model card."""
