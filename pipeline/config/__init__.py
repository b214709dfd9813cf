"""The configuration: one typed object, read from YAML and `--set`."""
