"""Preprocessing: from an encoded image to a network's input, defined once for all uses."""
