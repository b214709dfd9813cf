"""Names of what TFMA measures, for those who configure it and those who read it."""

from __future__ import annotations

ACCURACY = "accuracy"
"""Share of pictures whose breed is the most probable one."""
TOP_5_ACCURACY = "top_5_accuracy"
"""Share of pictures whose breed is among the five most probable."""
LOSS = "loss"
"""Mean cross-entropy in nats."""
EXAMPLE_COUNT = "example_count"
"""Number of pictures."""
SLICE_ACCURACY = "slice_accuracy"
"""What the bounds on slices hold: the accuracy, or 1 where a slice has too few pictures."""
CONFUSION = "confusion"
"""The confusion matrix."""
CALIBRATION = "calibration"
"""The plot of the named breed's probability against the share that was right."""
CALIBRATION_BINS = 10
"""Bins of equal width in it."""
BASELINE = "baseline"
"""Name of the served model; the new one's is empty or `candidate`."""
DROP_HAIR = 1e-6
"""By how much more than allowed an accuracy may fall: TFMA wants less than its bound, and what is
allowed must pass."""
