"""Options of a rehearsal, read from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from foundation.errors import UsageError
from ingestion.dataset import DATASET_FILE

RunIn = Literal["containers", "processes"]


@dataclass(frozen=True)
class Volume:
    """An absolute folder that stands for a persistent volume claim."""

    folder: Path
    read_only: bool = False


@dataclass(frozen=True)
class RehearsalOptions:
    """Options of a rehearsal."""

    root: Path
    """Absolute folder for all outputs of rehearsals of this package."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Values of the pipeline's parameters that differ from the defaults."""
    volumes: dict[str, Volume] = field(default_factory=dict)
    """Folders for volume claims, by name; other claims get a folder below the root."""
    data: Path | None = None
    """Folder with the records, used wherever the package expects them."""
    like_cluster: bool = False
    """Whether to pass artifacts as the real launcher does."""
    run_in: RunIn | None = None
    """What steps run in; None for containers if available, else processes."""


def read_volumes(written: Sequence[str]) -> dict[str, Volume]:
    """Parses volume claims from strings `CLAIM=FOLDER` or `CLAIM=FOLDER:ro`.

    Raises:
        UsageError: a string has another form, or there is no such folder.
    """
    volumes = {}
    for each in written:
        claim, equals, folder = each.partition("=")
        path = Path(folder.removesuffix(":ro")).absolute()
        if not equals or not claim or not folder:
            raise UsageError(f"--volume wants CLAIM=FOLDER, got '{each}'.")
        if not path.is_dir():
            raise UsageError(f"--volume {claim}: there is no folder {path}.")
        volumes[claim] = Volume(path, read_only=folder.endswith(":ro"))
    return volumes


def records_folder(given: Path) -> Path:
    """Returns the given folder if it holds records, else its only subfolder that does.

    A run's `records` holds one folder for each data set.

    Raises:
        UsageError: there are none, or several.
    """
    if (given / DATASET_FILE).is_file():
        return given.absolute()
    found = sorted(path.parent for path in given.glob(f"*/{DATASET_FILE}"))
    if len(found) == 1:
        return found[0].absolute()
    if not found:
        raise UsageError(
            f"--data: there are no records in {given}. 'dogbreed convert' writes some; a run keeps "
            "its own in runs/NAME/records."
        )
    raise UsageError(
        f"--data: there are several records in {given}; name one of {', '.join(map(str, found))}."
    )
