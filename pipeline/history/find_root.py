"""Finds the folder of the runs that a user asks about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from pipeline.config.load import load_config
from pipeline.history.record_names import METADATA_FILE
from trainer.training.logs import RUNS


@dataclass(frozen=True)
class RunsFolder:
    """Where runs and what they pushed are."""

    root: Path
    """Folder of everything that the runs keep."""
    push_path: Path | None
    """The folder that a model server watches; None where the last run knows."""


def find_root(root: Path | None, config: Path | None, settings: Sequence[str]) -> RunsFolder:
    """Finds the root.

    Args:
        root: as named by the user; wins over all.
        config: the configuration's file.
        settings: overrides of it.

    Returns:
        The root that is named or configured, else of those in runs/ that in which a run was last.

    Raises:
        UserError: nothing is named, and there is no run in runs/; or the configuration is wrong.
    """
    if root is not None:
        return RunsFolder(root, None)
    if config is not None or settings:
        loaded = load_config(config, settings)
        return RunsFolder(loaded.root_path, loaded.push_path)
    stores = [path for path in RUNS.glob(f"*/{METADATA_FILE}") if path.is_file()]
    if not stores:
        raise UserError(
            f"There is no run below {RUNS}/ yet. 'dogbreed run' begins one; name the folder of "
            "another run with --root."
        )
    return RunsFolder(max(stores, key=lambda path: path.stat().st_mtime).parent, None)
