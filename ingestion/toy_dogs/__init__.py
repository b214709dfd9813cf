"""The built-in sample: drawn and labelled images of six breeds of toy dogs."""
