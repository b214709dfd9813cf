"""Names of types and properties of runs in ML Metadata, TFX's and ours."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """State of a run; the value is what ML Metadata and `--json` say."""

    RUNNING = "running"
    PUSHED = "pushed"
    BLESSED = "blessed"
    """Not pushed, because nothing was to be."""
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


METADATA_FILE = "metadata.sqlite"
"""The store, below a run's root."""
RUN_CONTEXT = "pipeline_run"
"""TFX's type of the context of one run; its name is the run's start."""
PIPELINE_CONTEXT = "pipeline"
PUSHED_MODEL = "PushedModel"
MODEL_BLESSING = "ModelBlessing"
MODEL_EVALUATION = "ModelEvaluation"
ROLLBACK = "dogbreed.Rollback"
"""Type of the execution that serves an earlier version again."""
PUSHED = "pushed"
"""Custom property of a PushedModel: 1 where it was pushed."""
PUSHED_VERSION = "pushed_version"
"""Custom property of a PushedModel and of a rollback: the version."""
PUSHED_DESTINATION = "pushed_destination"
"""Custom property of a PushedModel: its folder."""
ROLLBACK_NOTE = "note"
"""Custom property of a rollback: JSON of a `foundation.versions.Rollback`."""

# Custom properties of a run's context; each metric is one more, by its name.
STARTED_AT = "started_at"
"""UTC, ISO 8601."""
ENDED_AT = "ended_at"
"""UTC, ISO 8601; missing for a killed run."""
OUTCOME = "outcome"
"""A `State`."""
FAILED_NODE = "failed_node"
REASONS = "reasons"
"""JSON: sentences that say why the model was refused, or what failed."""
CONFIGURATION = "configuration"
"""JSON of the configuration, without Kubeflow's part."""
COMMAND_LINE = "command_line"
GIT_COMMIT = "git_commit"
DATA_SOURCE = "data_source"
"""The pictures as the user named them."""
DATA_FINGERPRINT = "data_fingerprint"
DATA_SPLITS = "data_splits"
"""JSON: number of examples by split."""
NUM_BREEDS = "num_breeds"
NUM_EVAL_EXAMPLES = "num_eval_examples"
