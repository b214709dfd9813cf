"""Records runs in ML Metadata, reads them back and rolls versions back."""
