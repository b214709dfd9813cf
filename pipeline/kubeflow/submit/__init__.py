"""Client of Kubeflow Pipelines: uploads packages, starts and follows runs, fetches logs."""
