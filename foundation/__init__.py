"""Shared basics of all packages: settings, errors, names, version folders."""
