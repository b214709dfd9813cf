"""What the Evaluator keeps of each eval picture: the columns of its Parquet files."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

ANSWERS_FOLDER = "answers"
"""Folder below the evaluation."""
ANSWERS_SUFFIX = ".parquet"
"""End of its files' names."""
NUM_GUESSES = 5
"""Most probable breeds that are kept of each answer; fewer where there are fewer breeds."""

FILENAME = "filename"
"""Name of the picture's file; empty where the records have none."""
LABEL = "label"
"""The truth, as a label."""
GUESSES = "guesses"
"""The most probable labels, the first most; of equals the lowest label, as TFMA names them."""
GUESS_PROBABILITIES = "guess_probabilities"
"""Their probabilities."""
TRUTH_PROBABILITY = "truth_probability"
"""Probability of the true label."""
NUM_BETTER = "num_better"
"""Labels that are more probable than the truth: below 5, and TFMA's top-5 accuracy counts it."""
CROSS_ENTROPY = "cross_entropy"
"""In nats, clipped as TFMA's loss is."""

_OF_A_MODEL = (
    (GUESSES, pa.list_(pa.int32())),
    (GUESS_PROBABILITIES, pa.list_(pa.float32())),
    (TRUTH_PROBABILITY, pa.float32()),
    (NUM_BETTER, pa.int32()),
    (CROSS_ENTROPY, pa.float32()),
)


def of_baseline(column: str) -> str:
    """Returns the name of the baseline's column; there is one only if there is a baseline."""
    return f"baseline_{column}"


def of_slice(feature: str) -> str:
    """Returns the name of the column of a feature that the eval split is sliced on."""
    return f"slice:{feature}"


def answer_schema(slices: Sequence[str], *, has_baseline: bool) -> pa.Schema:
    """Describes the files.

    Args:
        slices: features that the eval split is sliced on.
        has_baseline: whether there is a baseline.
    """
    baseline = [(of_baseline(name), kind) for name, kind in _OF_A_MODEL] if has_baseline else []
    return pa.schema(
        [
            (FILENAME, pa.string()),
            (LABEL, pa.int32()),
            *_OF_A_MODEL,
            *baseline,
            *((of_slice(name), pa.list_(pa.string())) for name in slices),
        ]
    )
