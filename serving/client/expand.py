"""Expands command-line arguments to single images."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from foundation.redact import redacted
from ingestion.sources.survey import PICTURE_SUFFIXES
from serving.client.load import Problem, Source, Url, is_url

STDIN = "-"


def expand(arguments: Iterable[str]) -> Iterator[Source]:
    """Yields the images that `arguments` name; for an argument without any, the reason.

    Arguments are files, folders (searched recursively, in order of names), patterns such as
    `dogs/**/*.jpg`, http(s) addresses, or `-` for one image from standard input.
    """
    for argument in arguments:
        if argument == STDIN:
            yield Source("standard input", sys.stdin.buffer.read())
        elif is_url(argument):
            yield Source(redacted(argument), Url(argument))
        elif os.path.isdir(argument):
            yield from _or_problem(argument, _in_folder(argument), "a folder without pictures")
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            found = (
                Source(path, Path(path))
                for path in sorted(glob.iglob(argument, recursive=True))
                if not os.path.isdir(path)
            )
            yield from _or_problem(argument, found, "no file has such a name")
        else:
            yield Source(argument, Path(argument))


def read_list(path: str) -> list[str]:
    """Reads arguments, one per line, from a file (else raises OSError) or `-`, standard input."""
    data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    return [line for line in os.fsdecode(data).splitlines() if line.strip()]


def _in_folder(folder: str) -> Iterator[Source]:
    for parent, folders, names in os.walk(folder):
        # Hidden folders hold thumbnails and the like.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith("."):
                path = Path(parent, name)
                yield Source(str(path), path)


def _or_problem(argument: str, found: Iterator[Source], reason: str) -> Iterator[Source]:
    first = next(found, Source(argument, Problem(reason)))
    yield first
    yield from found
