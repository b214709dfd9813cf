"""Recognises the layout of a source: how the paths of its files give their classes.

Supports a folder per class (Stanford Dogs), the file name up to its last underscore (Oxford-IIIT
Pets), a CSV table (Kaggle's CIFAR-10 and Dog Breed Identification), idx files (MNIST), and numbers
in class order (Oxford flowers-17).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from foundation.errors import DatasetError
from ingestion.options import ConvertOptions
from ingestion.sources.survey import (
    NUMBERED_NAME,
    PICTURE_SUFFIXES,
    PREFIXED_NAME,
    FolderFacts,
    LabelTable,
    Survey,
)

_READY_SPLITS = frozenset(
    ("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval")
)
_MOSTLY = 0.9  # a few odd names among many do not change what a folder is


class Place(NamedTuple):
    """Class and name of one file under a layout."""

    class_name: str
    """As the source writes it; empty if the file has none."""
    file_name: str
    """Name in records and reports, relative to the images' folder."""
    problem: str = ""
    """Why a file that looks like an image belongs to no class."""


@dataclass(frozen=True)
class Layout:
    """A recognised layout: maps paths to classes."""

    name: str
    place: Callable[[str], Place | None]
    """Maps a path to its class, or to None for a file that is no image of the set."""
    table: LabelTable | None = None
    """The label table of a "csv" layout."""


def recognise(seen: Survey, options: ConvertOptions, source: str) -> Layout | None:
    """Recognises the layout of a source; None stands for idx files, which hold many images each.

    Args:
        seen: content of the source.
        options: `layout` overrides recognition; `pictures_per_class` is needed for a numbered
            source.
        source: name of the source, for messages.

    Raises:
        DatasetError: there are no files, or they do not fit any layout or the given one.
    """
    if not seen.num_files:
        if seen.num_links:
            raise DatasetError(
                f"{source} holds nothing but {seen.num_links:,} links, which are not followed: "
                "pack the files themselves, as 'tar --dereference --hard-dereference' does."
            )
        raise DatasetError(f"{source} is empty: it holds no pictures.")
    name: str = options.layout
    root = _pictures_root(seen)
    if name == "auto":
        name = _guess(seen, root, options.pictures_per_class, source)
    if name == "idx":
        return None
    if name == "csv":
        return _csv_layout(seen, source)
    if name == "folders":
        return _folders_layout(seen, root, source)
    flat = _flat_folder(seen, root)
    if name == "prefix":
        return Layout("prefix", _by_prefix(flat))
    return _numbered_layout(flat, seen.folders[flat], options.pictures_per_class, source)


def _guess(seen: Survey, root: str, per_class: int, source: str) -> str:
    if seen.idx_files:
        return "idx"
    if _label_tables(seen):
        return "csv"
    if not any(facts.num_pictures for facts in seen.folders.values()) and len(seen.folders) < 2:
        raise DatasetError(
            f"{source} holds no pictures: expected a folder per class, or one of the other layouts."
        )
    parent, names = _class_folders(seen, root)
    loose = seen.folders[parent].num_pictures if parent in seen.folders else 0
    inside = sum(seen.folders[path].num_pictures for path in seen.picture_folders(root))
    if len(names) >= 2 and loose <= inside / 2:
        return "folders"
    flat = _flat_folder(seen, root)
    facts = seen.folders[flat]
    if facts.num_prefixed >= _MOSTLY * facts.num_pictures and len(facts.prefixes) >= 2:
        return "prefix"
    if facts.num_numbered >= _MOSTLY * facts.num_pictures and _is_numbered(facts, per_class):
        return "numbered"
    where = f"its folder {flat}" if flat else "one folder"
    raise DatasetError(
        f"{source} holds one class only: all pictures lie in {where}, and their names tell no "
        "classes apart. Give a folder with one sub-folder per class, or name the --layout."
    )


def _is_numbered(facts: FolderFacts, per_class: int) -> bool:
    """Tells a set numbered in class order from photographs of one class (n02085620_1073)."""
    num_classes, remainder = divmod(facts.highest_number, per_class)
    return num_classes >= 2 and not remainder and facts.highest_number <= 2 * facts.num_pictures


def _pictures_root(seen: Survey) -> str:
    """Returns the only folder named "images", to skip neighbours such as annotations."""
    named = [
        "/".join(parts[: index + 1])
        for parts in (path.split("/") for path in seen.folders)
        for index, part in enumerate(parts)
        if part.lower() == "images"
    ]
    if not named:
        return ""
    depth = min(path.count("/") for path in named)
    shallowest = {path for path in named if path.count("/") == depth}
    return shallowest.pop() if len(shallowest) == 1 else ""


def _flat_folder(seen: Survey, root: str) -> str:
    """Returns the folder with the most images, for layouts with a single folder."""
    return max(seen.picture_folders(root), key=lambda path: seen.folders[path].num_pictures)


def _class_folders(seen: Survey, root: str) -> tuple[str, frozenset[str]]:
    """Returns the parent of the class folders, and their names."""
    folders = seen.picture_folders(root)
    parent = posixpath.commonpath(folders) if folders else ""
    start = len(parent) + 1 if parent else 0
    return parent, frozenset(path[start:].split("/")[0] for path in folders if path != parent)


def _folders_layout(seen: Survey, root: str, source: str) -> Layout:
    parent, names = _class_folders(seen, root)
    if len(names) < 2:
        raise DatasetError(
            f"{source} holds one class only ({posixpath.basename(parent) or 'no sub-folders'}): "
            "give the folder that holds one sub-folder per class."
        )
    if all(name.lower() in _READY_SPLITS for name in names):
        raise DatasetError(
            f"{source} is split already, into {', '.join(sorted(names))}: give one of these "
            "folders, the split is made by --split."
        )
    start = len(parent) + 1 if parent else 0

    def place(path: str) -> Place | None:
        if parent and not path.startswith(parent + "/"):
            return None
        inside = path[start:]
        name, slash, _ = inside.partition("/")
        if slash and name in names:
            return Place(name, inside)
        return _if_picture(path, Place("", inside, "lies in none of the class folders"))

    return Layout("folders", place)


def _by_prefix(folder: str) -> Callable[[str], Place | None]:
    def place(path: str) -> Place | None:
        parent, _, name = path.rpartition("/")
        if parent != folder:
            return None
        match = PREFIXED_NAME.match(posixpath.splitext(name)[0])
        if match is None:
            return _if_picture(path, Place("", name, "its name gives no class (breed_12.jpg)"))
        return _if_picture(path, Place(match["breed"], name))

    return place


def _numbered_layout(folder: str, facts: FolderFacts, per_class: int, source: str) -> Layout:
    num_classes, remainder = divmod(facts.highest_number, per_class)
    if remainder or num_classes < 1:
        raise DatasetError(
            f"{source} is numbered up to {facts.highest_number}, which is no multiple of "
            f"{per_class} pictures per class: say how many there are with --pictures-per-class, "
            "or name another --layout."
        )
    digits = len(str(num_classes))  # zero-padded, to sort in the order of the classes

    def place(path: str) -> Place | None:
        parent, _, name = path.rpartition("/")
        if parent != folder:
            return None
        match = NUMBERED_NAME.match(posixpath.splitext(name)[0])
        if match is None or int(match["number"]) < 1:
            return _if_picture(path, Place("", name, "its name has no number from 1 up"))
        index = (int(match["number"]) - 1) // per_class + 1
        return _if_picture(path, Place(f"class-{index:0{digits}}", name))

    return Layout("numbered", place)


def _label_tables(seen: Survey) -> list[LabelTable]:
    """Returns the label tables, without Kaggle's sample submissions."""
    return [
        table
        for path, table in sorted(seen.tables.items())
        if "submission" not in posixpath.basename(path).lower()
    ]


def _csv_layout(seen: Survey, source: str) -> Layout:
    tables = _label_tables(seen)
    if not tables:
        raise DatasetError(f"{source} holds no CSV table with the columns id and label.")
    if len(tables) > 1:
        tables = [table for table in tables if "train" in table.path.lower()] or tables
    if len(tables) > 1:
        raise DatasetError(
            f"{source} holds several tables of labels ({', '.join(t.path for t in tables)}): "
            "keep the one that is meant."
        )
    table = tables[0]
    folders = seen.picture_folders()
    # Kaggle numbers train/ and test/ from 1 each: the table is about train/.
    training = [path for path in folders if posixpath.basename(path).lower() == "train"]
    folder = training[0] if training else posixpath.commonpath(folders)
    start = len(folder) + 1 if folder else 0

    def place(path: str) -> Place | None:
        if folder and not path.startswith(folder + "/"):
            return None
        if (row := table.find(path)) is not None:
            return _if_picture(path, Place(row[1], path[start:]))
        return _if_picture(path, Place("", path[start:], f"has no row in {table.path}"))

    return Layout("csv", place, table)


def _if_picture(path: str, place: Place) -> Place | None:
    """Returns `place` for a file with the suffix of an image; skips others silently."""
    return place if posixpath.splitext(path)[1].lower() in PICTURE_SUFFIXES else None
