"""Which commit of this project is at work."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PROJECT = Path(__file__).parents[1]


def git_commit() -> str:
    """Returns the commit, with `-dirty` behind it where files differ; empty outside a checkout."""
    # An installed copy may lie in a checkout of something else, whose commit would say nothing.
    if not (_PROJECT / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            command, cwd=_PROJECT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, or it does not trust the folder
        return ""
    return answer.stdout.strip()
