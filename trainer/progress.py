"""The channel on which a running node speaks to people."""

from __future__ import annotations

PROGRESS_LOGGER = "dogbreed.progress"
"""Name of the logger whose messages a runner shows beside the running node. A record with a true
`milestone` attribute is worth a line of its own where there is no terminal."""
