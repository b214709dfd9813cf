"""Compiles the DAG for open-source Kubeflow Pipelines, rehearses it, submits it, runs its steps."""
