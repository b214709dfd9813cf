"""Runs one step on a cluster with TFX, called by KFP's launcher: `python -m` this package."""
