"""How a running training speaks: a channel to people, and a file for comparisons."""

from __future__ import annotations

PROGRESS_LOGGER = "dogbreed.progress"
"""Name of the logger whose messages a runner shows beside the running node. A record with a true
`milestone` attribute is worth a line of its own where there is no terminal."""

HISTORY_FILE = "history.csv"
"""Name of the file, beside the TensorBoard runs, in which training writes a row for each epoch."""
