"""What a worker process does: pictures in, records ready to be sorted out.

A worker imports no more than it needs for that, because its start is part of every conversion.
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
    """What all pictures of a conversion have in common."""

    spill_folder: Path
    """Where the records go."""
    shorter_side_px: int
    grayscale: bool
    seed: int
    eval_share: float
    folds: int | None


class Task(NamedTuple):
    """One picture to convert."""

    label: int
    text: str
    """Readable name of the class."""
    file_name: str
    content: bytes | Span
    split: int | None
    """The split it goes to, or None where its content decides that."""


class Result(NamedTuple):
    """What became of a batch of pictures."""

    num_converted: int
    """Records written."""
    rejected: list[tuple[str, str]]
    """File name and reason."""


def convert_picture(task: Task, job: Job) -> SpillRecord:
    """Converts one picture to a framed record.

    Args:
        task: The picture.
        job: The conversion's settings.

    Returns:
        The record, with what it is sorted and split by.

    Raises:
        UnusablePictureError: If the picture cannot be used.
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
    """Converts some pictures one after the other and writes their records.

    Args:
        tasks: The pictures.
        job: The conversion's settings.
        writer: This process's files.
        stop: Becomes true when the result will not be needed any more.

    Returns:
        The counts, and the rejected pictures.

    Raises:
        OSError: If a record cannot be written.
    """
    num_converted = 0
    rejected: list[tuple[str, str]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about metadata that is of no use here
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
    """The settings of this process, given once at its start and not with every batch."""

    job: Job
    writer: SpillWriter
    stop: c_bool


def start_worker(job: Job, stop: c_bool) -> None:
    """Prepares a worker process. Runs in it, before its first batch.

    Args:
        job: The conversion's settings.
        stop: See `convert_batch`.
    """
    _Worker.job, _Worker.writer, _Worker.stop = job, SpillWriter(job.spill_folder), stop
    # Ctrl-C reaches every process of the terminal: the parent decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a forked worker has the parent's handler
    # Idle workers wait on a pipe whose other end they hold too: they would never notice.
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        end_with_parent(parent.pid)


def run_batch(tasks: list[Task]) -> Result:
    """Converts a batch with the settings of this process. Runs in a worker."""
    return convert_batch(tasks, _Worker.job, _Worker.writer, _Worker.stop)


def load_libraries() -> None:
    """Loads what the first picture would otherwise wait for.

    Submitted to a pool, so that a process starts and loads before there is work for it.
    """
    Image.preinit()
    example.encode_example({})
