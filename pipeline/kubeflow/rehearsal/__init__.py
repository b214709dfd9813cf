"""Runs a compiled pipeline on this machine, step by step, as a cluster would.

It has its own engine: kfp's local one runs pipelines only from 2.8 on, which the Python 3.10 stack
cannot install, and neither retries a step nor hands it what the launcher would.
"""
