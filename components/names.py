"""Names that components share with those who build and read the DAG, free of TFX imports."""

from __future__ import annotations

NO_VERSION = "none"
"""Baseline version of a run that has nothing to be compared with."""
NEWEST_VERSION = "newest"
"""Baseline version that is looked up when the node runs. Its result must not be cached."""
