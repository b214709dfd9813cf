"""Runs the DAG on this machine, with the terminal kept for people."""
