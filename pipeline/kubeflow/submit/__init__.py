"""Kubeflow Pipelines from this side: packages go in, runs are followed, logs come back."""
