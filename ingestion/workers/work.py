"""The work of a worker process: converts images to records.

Imports as little as possible, because workers start in every conversion.
"""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from ctypes import c_bool
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from foundation.processes import end_with_parent
from ingestion import records
from ingestion import records as example
from ingestion.audit import look_of
from ingestion.picture import UnusablePictureError, normalise
from ingestion.sources.stores import Span
from ingestion.split import order_key, split_by_content
from ingestion.workers.external_sort import SpillRecord, SpillWriter


class Job(NamedTuple):
    """Settings shared by all images of a conversion."""

    spill_folder: Path
    shorter_side_px: int
    grayscale: bool
    seed: int
    eval_share: float
    folds: int | None


class Task(NamedTuple):
    """One image to convert."""

    label: int
    text: str
    """Readable class name."""
    file_name: str
    content: bytes | Span
    split: int | None
    """The split, or None to choose it by content."""


class Result(NamedTuple):
    """The outcome of a batch."""

    num_converted: int
    rejected: list[tuple[str, str]]
    """File name and reason."""


def convert_picture(task: Task, job: Job) -> SpillRecord:
    """Converts one image to a framed record with its sort key and split.

    Raises:
        UnusablePictureError: the image cannot be used.
    """
    try:
        data = task.content if isinstance(task.content, bytes) else task.content.read()
    except OSError as error:
        raise UnusablePictureError(f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UnusablePictureError(str(error)) from error
    jpeg = normalise(data, job.shorter_side_px, job.grayscale)
    digest = sha256(data).digest()
    split = task.split
    if split is None:
        split = split_by_content(digest, job.seed, job.eval_share, job.folds)
    file_name = task.file_name.encode("utf-8", "surrogateescape")
    serialized = example.encode_example(
        {
            example.IMAGE_KEY: jpeg.data,
            example.FORMAT_KEY: b"jpeg",
            example.HEIGHT_KEY: jpeg.height_px,
            example.WIDTH_KEY: jpeg.width_px,
            example.FILENAME_KEY: file_name.decode("utf-8", "replace").encode(),
            example.TEXT_KEY: task.text.encode(),
            example.LABEL_KEY: task.label,
        }
    )
    return SpillRecord(
        order_key(digest, job.seed),
        split,
        task.label,
        look_of(jpeg.decoded, min(jpeg.original_size)),
        file_name,
        records.frame(serialized),
    )


def convert_batch(
    tasks: list[Task], job: Job, writer: SpillWriter, stop: c_bool | None = None
) -> Result:
    """Converts images one by one and writes their records, until `stop` becomes true.

    Raises:
        OSError: a record cannot be written.
    """
    num_converted = 0
    rejected: list[tuple[str, str]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about unused metadata
        for task in tasks:
            if stop is not None and stop.value:
                break
            try:
                record = convert_picture(task, job)
            except UnusablePictureError as error:
                rejected.append((task.file_name, str(error)))
                continue
            writer.add(record)
            num_converted += 1
    return Result(num_converted, rejected)


class _Worker:
    """Settings of this process, passed once at its start and not with every batch."""

    job: Job
    writer: SpillWriter
    stop: c_bool


def start_worker(job: Job, stop: c_bool) -> None:
    """Initialises a worker process; `stop` is that of `convert_batch`."""
    _Worker.job, _Worker.writer, _Worker.stop = job, SpillWriter(job.spill_folder), stop
    # Ctrl-C reaches every process of the terminal: the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a forked worker has the parent's handler
    # Idle workers wait on a pipe whose other end they hold too, so they would not notice.
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        end_with_parent(parent.pid)


def run_batch(tasks: list[Task]) -> Result:
    """Converts a batch in a worker, with the settings of the process."""
    return convert_batch(tasks, _Worker.job, _Worker.writer, _Worker.stop)


def load_libraries() -> None:
    """Imports what the first image needs; submitted to start processes early."""
    Image.preinit()
    example.encode_example({})
