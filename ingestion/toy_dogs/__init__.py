"""The built-in sample: six breeds of toy dogs, drawn and labelled."""
