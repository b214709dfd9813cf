"""Names that components share with those who build and read the DAG, free of TFX imports."""

from __future__ import annotations

NO_VERSION = "none"
"""Baseline version of a run that has nothing to be compared with."""
NEWEST_VERSION = "newest"
"""Baseline version that is looked up when the node runs. Its result must not be cached."""
TENSORFLOW_SERVING = "tensorflow_model_server"
"""TensorFlow Serving's program, which takes the place of our model server where it is installed."""
CANARY_RESULT_FILE = "canary.json"
"""File in an InfraBlessing in which the canary says what it found."""
CANARY_LOG_FILE = "server.log"
"""File beside it: the last that the model server wrote."""
