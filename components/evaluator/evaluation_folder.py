"""Where an evaluation goes, for those whom TFX does not tell."""

from __future__ import annotations

from contextvars import ContextVar

evaluation_folder: ContextVar[str] = ContextVar("evaluation_folder")
"""Folder or address of the evaluation under way. Apart from the extractors that ask for it, because
TFX loads their module anew."""
