"""The typed configuration, read from YAML and `--set`."""
