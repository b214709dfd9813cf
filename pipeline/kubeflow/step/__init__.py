"""One step on a cluster: `python -m pipeline.kubeflow.step`, between KFP's launcher and TFX."""
