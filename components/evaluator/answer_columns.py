"""Where the answers to the eval images lie, and their columns; imports no TensorFlow."""

from __future__ import annotations

ANSWERS_FOLDER = "answers"
"""Folder below the evaluation."""
ANSWERS_SUFFIX = ".parquet"
NUM_GUESSES = 5
"""The k of the top-k that are kept; fewer where there are fewer classes."""

FILENAME = "filename"
"""Name of the image file; empty where the records have none."""
LABEL = "label"
"""The true label."""
GUESSES = "guesses"
"""Top-k labels, the most probable first; ties go to the lowest label, as in TFMA."""
GUESS_PROBABILITIES = "guess_probabilities"
TRUTH_PROBABILITY = "truth_probability"
NUM_BETTER = "num_better"
"""Labels more probable than the true one: below 5 counts as correct in TFMA's top-5 accuracy."""
CROSS_ENTROPY = "cross_entropy"
"""In nats, clipped as TFMA's loss is."""
IS_KNOWN = "is_known"
"""Whether the model says that it knows such images; empty where it does not say."""


def of_baseline(column: str) -> str:
    """Returns the name of the baseline's column, which exists only if there is a baseline."""
    return f"baseline_{column}"
