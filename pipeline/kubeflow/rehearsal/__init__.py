"""Runs a compiled pipeline on this machine, step by step, as a cluster would.

kfp's local engine runs whole pipelines only from 2.8 on, which the Python 3.10 stack cannot have,
and neither retries a step nor hands it what the launcher would. So the package is driven by an
engine of our own, the same on both stacks.
"""
