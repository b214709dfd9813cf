"""Runs the DAG on this machine, with progress in the terminal."""
