"""The same DAG on open-source Kubeflow Pipelines: compiled, run step by step, and rehearsed."""
