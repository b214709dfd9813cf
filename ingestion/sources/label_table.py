"""A CSV table that gives each picture's class, as Kaggle ships them: `id,label`."""

from __future__ import annotations

import csv
import io
import posixpath
from dataclasses import dataclass

from foundation.errors_part import DatasetError

_ID_COLUMNS = ("id", "image_id", "image", "filename", "file_name", "file", "path")
_LABEL_COLUMNS = ("label", "breed", "class", "class_name")


@dataclass(frozen=True)
class LabelTable:
    """The rows of one table."""

    path: str
    """Where it was found in the source."""
    labels: dict[str, str]
    """Class by id. An id is a file name with or without its ending, or a path in the source."""

    def find(self, path: str) -> tuple[str, str] | None:
        """Looks a picture up.

        Args:
            path: The picture's path in the source.

        Returns:
            The id under which it is listed and its class, or None for a picture that is not.
        """
        name = posixpath.basename(path)
        for key in (posixpath.splitext(name)[0], name, path):
            if (label := self.labels.get(key)) is not None:
                return key, label
        return None


def read_label_table(path: str, data: bytes) -> LabelTable | None:
    """Reads a table if it is one of labels.

    Args:
        path: Where it was found, for messages.
        data: The file's content, UTF-8.

    Returns:
        The table, or None for a CSV file about something else: one without a column for the id
        and one for the label.

    Raises:
        DatasetError: If a row lacks a value, or if one id has two different labels.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        header = [column.strip().lower() for column in next(rows, [])]
        id_column = next((header.index(name) for name in _ID_COLUMNS if name in header), None)
        label_column = next((header.index(name) for name in _LABEL_COLUMNS if name in header), None)
        if id_column is None or label_column is None:
            return None
        labels: dict[str, str] = {}
        for row in rows:
            if not row:
                continue
            if len(row) <= max(id_column, label_column) or not row[label_column].strip():
                raise DatasetError(f"{path}, line {rows.line_num}: a row without id or label.")
            key, label = row[id_column].strip(), row[label_column].strip()
            if labels.setdefault(key, label) != label:
                raise DatasetError(
                    f"{path}, line {rows.line_num}: {key!r} is listed as {labels[key]!r} and as "
                    f"{label!r}; keep one of the two."
                )
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num}: not a CSV table ({error}).") from error
    return LabelTable(path, labels)
