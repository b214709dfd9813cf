"""What a rehearsal is asked to do, read from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from foundation.errors import UserError
from ingestion.dataset import DATASET_FILE

RunIn = Literal["containers", "processes"]


@dataclass(frozen=True)
class Volume:
    """A folder that stands for a persistent volume claim."""

    folder: Path
    """The folder, absolute."""
    read_only: bool = False
    """Whether steps may only read it."""


@dataclass(frozen=True)
class RehearsalOptions:
    """How to rehearse."""

    root: Path
    """Folder of everything that rehearsals of this package leave, absolute."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Values of the pipeline's parameters, where not their defaults."""
    volumes: dict[str, Volume] = field(default_factory=dict)
    """What stands for volume claims, by name; for others it is a folder below the root."""
    data: Path | None = None
    """What stands for the records, wherever the package expects them."""
    like_cluster: bool = False
    """Hand over artifacts as the real launcher does."""
    run_in: RunIn | None = None
    """What steps run in; None takes containers where they can be had."""


def read_volumes(written: Sequence[str]) -> dict[str, Volume]:
    """Reads what stands for volume claims.

    Args:
        written: `CLAIM=FOLDER` or `CLAIM=FOLDER:ro` each.

    Raises:
        UserError: it is not written like that, or there is no such folder.
    """
    volumes = {}
    for each in written:
        claim, equals, folder = each.partition("=")
        path = Path(folder.removesuffix(":ro")).absolute()
        if not equals or not claim or not folder:
            raise UserError(f"--volume wants CLAIM=FOLDER, got '{each}'.")
        if not path.is_dir():
            raise UserError(f"--volume {claim}: there is no folder {path}.")
        volumes[claim] = Volume(path, read_only=folder.endswith(":ro"))
    return volumes


def records_folder(given: Path) -> Path:
    """Finds records: in a folder, or in the only one below it that has some.

    Args:
        given: as typed; a run's `records` holds one folder for each set of pictures.

    Raises:
        UserError: there are none, or several.
    """
    if (given / DATASET_FILE).is_file():
        return given.absolute()
    found = sorted(path.parent for path in given.glob(f"*/{DATASET_FILE}"))
    if len(found) == 1:
        return found[0].absolute()
    if not found:
        raise UserError(
            f"--data: there are no records in {given}. 'dogbreed convert' writes some; a run keeps "
            "its own in runs/NAME/records."
        )
    raise UserError(
        f"--data: there are several records in {given}; name one of {', '.join(map(str, found))}."
    )
