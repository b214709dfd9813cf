"""What a step needs of its surroundings, found missing in words before TFX stumbles over it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from foundation.errors import UserError
from ingestion.dataset import Dataset, load_dataset


def records_at(path: str, location: str) -> Dataset:
    """Loads what is known of the records.

    Args:
        path: where they are here.
        location: what the pipeline calls that place.

    Raises:
        UserError: there are none.
        DatasetError: they are damaged.
    """
    if not Path(path).is_dir():
        raise UserError(
            f"There is no folder {location}: the volume with the records is not mounted there, or "
            "the pipeline's parameter 'data' names another place."
        )
    if not os.listdir(path):
        raise UserError(
            f"The folder {location} is empty: the volume that is mounted there has no records on "
            "it, or the pipeline's parameter 'data' should name a folder below it."
        )
    return load_dataset(Path(path))


def check_schema(path: str, location: str) -> None:
    """Looks for the schema that the configuration names.

    Args:
        path: where it is here.
        location: what the configuration calls it.

    Raises:
        UserError: it is not there.
    """
    if not Path(path).is_file():
        raise UserError(
            f"There is no schema {location}: data.curated_schema has to name a file of a volume "
            "that is mounted into CuratedSchema."
        )


def check_writable(path: str, location: str, *, declared_read_only: bool) -> None:
    """Makes a folder and tries to write to it.

    Args:
        path: where it is here.
        location: what the pipeline calls that place.
        declared_read_only: whether a rehearsal says that it cannot be written.

    Raises:
        UserError: it cannot be written.
    """
    reason = "Read-only file system" if declared_read_only else None
    if reason is None:
        try:
            os.makedirs(path, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                return
        except OSError as error:
            reason = error.strerror
    raise UserError(
        f"The push destination {location} cannot be written: {reason}. The pipeline's parameter "
        "'push_destination' has to name a folder of a volume that is mounted to be written."
    )
