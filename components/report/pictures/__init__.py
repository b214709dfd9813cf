"""Selects and renders the images of a report, with Grad-CAM heat maps."""
