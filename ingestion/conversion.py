"""Implements `dogbreed convert`: labelled images in, TFRecord shards out.

Not a Beam pipeline, although TFX depends on Beam: on one machine Beam's own runner costs more than
decoding small images, takes seconds to start, and shuffles in memory. A process pool and an
external sort are enough. Sets too large for one machine's disk need Beam, with these shards as
input.

Example:
    from ingestion import ConvertOptions, convert

    dataset = convert("stanford-dogs.tar", Path("data/dogs"), ConvertOptions(shorter_side_px=224))
    print(dataset.splits["train"].num_examples)
"""

from __future__ import annotations

import csv
import errno
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import get_args

from foundation.errors import DatasetError
from ingestion.audit import Audit, Finding, audit
from ingestion.catalogue import Catalogue, Rejects, make_catalogue, shown
from ingestion.dataset import (
    AUDIT_FILE,
    DATASET_FILE,
    DECISIONS_FILE,
    LABELS_FILE,
    REJECTED_FILE,
    SCHEMA_FILE,
    Dataset,
    SplitInfo,
)
from ingestion.decisions import read_decisions, write_decisions
from ingestion.options import ConvertOptions, Progress
from ingestion.schema import make_schema
from ingestion.sources.decided_reader import DecidedReader
from ingestion.sources.fingerprint import SourceKey
from ingestion.sources.reader import Reader, Unusable
from ingestion.sources.readers import TFDS_PREFIX, open_reader
from ingestion.sources.stores import Entry, open_store
from ingestion.split import (
    check_classes,
    eval_step,
    least_eval_share,
    split_by_position,
    split_names,
)
from ingestion.staging import Staging
from ingestion.workers.external_sort import SpilledRecord, spilled_images, write_shards
from ingestion.workers.pool import FEW_PICTURES, WorkerPool, available_cores
from ingestion.workers.work import Job, Task

__all__ = ["ConvertOptions", "Progress", "convert"]

_LISTED_BETWEEN_REPORTS = 50
_ProgressCallback = Callable[[Progress], None]


def convert(
    source: str,
    out: Path,
    options: ConvertOptions,
    progress: _ProgressCallback | None = None,
) -> Dataset:
    """Converts a source of labelled images to TFRecord shards.

    The same source and options give the same bytes with any number of processes. Memory use does
    not grow with the number of images.

    Args:
        source: path of a folder, .tar, .tar.gz or .zip; or "tfds:" and a name.
        out: folder to create: `train/`, `eval/` (or `fold-0/` and so on), labels.txt, dataset.json,
            rejected.csv, audit.csv, schema.pbtxt and, where something was decided, decisions.csv.
            It appears complete or not at all.
        options: what to select and how to write it.
        progress: called a few times a second at most in a small set, and once for every 32 images
            in a large one.

    Raises:
        DatasetError: an error that the user can correct: a missing or damaged source, too few
            images, too many rejected ones, a full disk, a stop by SIGTERM.
        KeyboardInterrupt: on Ctrl-C. As with every error, nothing is left behind.
    """
    _check_apart(source, out)
    with _terminated_like_interrupted(out), Staging(out, options.overwrite) as staging:
        try:
            # A unique name: a worker that briefly outlives its killed parent must not write here.
            spill_folder = Path(mkdtemp(prefix="spill-", dir=staging.folder))
            job = Job(
                spill_folder,
                options.shorter_side_px,
                options.grayscale,
                options.seed,
                options.eval_share,
                options.folds,
            )
            with WorkerPool(job, options.workers or available_cores()) as pool:
                dataset = _convert_into(
                    staging.folder, spill_folder, source, options, pool, progress or _say_nothing
                )
            staging.commit()
        except OSError as error:
            raise _explained(error, out) from error
    return dataset.model_copy(update={"path": out})


def _convert_into(
    folder: Path,
    spill_folder: Path,
    source: str,
    options: ConvertOptions,
    pool: WorkerPool,
    progress: _ProgressCallback,
) -> Dataset:
    if _is_large(source):
        pool.start()  # before the first report, which may start a display thread
    progress(Progress("Listing pictures", 0, None, 0))
    source_key = SourceKey(source, options)
    listing_file = folder / "listing"
    num_listed = 0

    def listed(entry: Entry) -> None:
        nonlocal num_listed
        source_key.add(entry)
        num_listed += 1
        if num_listed % _LISTED_BETWEEN_REPORTS == 0:
            progress(Progress("Listing pictures", num_listed, None, 0))

    reader = open_reader(source, options, listing_file, listed)
    decided = None
    if options.decisions is not None:
        decisions = read_decisions(options.decisions)
        reader = decided = DecidedReader(reader, decisions, options.decisions)
        write_decisions(folder / DECISIONS_FILE, decisions)
    catalogue = make_catalogue(reader.names(), options, source)
    labels = catalogue.labels
    splits = split_names(options)
    rejects = _fill(pool, reader, catalogue, options, progress)
    progress(Progress("Comparing pictures", 0, None, len(rejects.reasons)))
    found = audit(
        spilled_images(spill_folder),
        len(splits),
        keep_contradictory=options.contradictory == "keep",
        fill_up=options.min_eval > 0 and options.min_train > 0,
        min_eval_share=least_eval_share(options),
    )
    totals = found.totals
    check_classes(labels, tuple(total.examples for total in totals), options)
    num_pictures = sum(total.num_examples for total in totals)
    with _Findings(folder / AUDIT_FILE, found, labels, splits) as findings:
        written = write_shards(
            spill_folder,
            [folder / split for split in splits],
            found,
            labels,
            options.shard_size,
            lambda done: progress(
                Progress("Writing shards", done, num_pictures, len(rejects.reasons))
            ),
            findings.note,
        )
    spill_folder.rmdir()
    listing_file.unlink(missing_ok=True)
    dataset = Dataset(
        source=source,
        layout=reader.layout,
        labels=labels,
        splits={
            split: SplitInfo(
                num_examples=total.num_examples,
                num_shards=num_shards,
                examples_per_class={
                    name: total.examples[label] for label, name in enumerate(labels)
                },
            )
            for split, total, num_shards in zip(splits, totals, written.num_shards, strict=True)
        },
        num_rejected=len(rejects.reasons),
        left_out=catalogue.left_out,
        findings={
            finding: findings.num_files[finding]
            for finding in get_args(Finding)
            if findings.num_files[finding]
        },
        decisions=decided.applied if decided is not None else None,
        shorter_side_px=options.shorter_side_px,
        fingerprint=written.fingerprint,
        source_fingerprint=source_key.hexdigest(),
        options=options.recorded(),
    )
    (folder / LABELS_FILE).write_text("".join(f"{name}\n" for name in labels), encoding="utf-8")
    (folder / SCHEMA_FILE).write_text(make_schema(labels), encoding="utf-8")
    with (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "reason"))
        table.writerows(rejects.rows())
    # Last: it marks the folder as a complete set.
    (folder / DATASET_FILE).write_text(dataset.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return dataset


def _fill(
    pool: WorkerPool,
    reader: Reader,
    catalogue: Catalogue,
    options: ConvertOptions,
    progress: _ProgressCallback,
) -> Rejects:
    """Converts every image into the spill files."""
    total = catalogue.num_pictures.total()
    rejects = Rejects(total, options.max_rejected_share)
    done = 0
    for result in pool.convert(_tasks(reader, catalogue, options, rejects), total):
        for file_name, reason in result.rejected:
            rejects.add(file_name, reason)
        done += result.num_converted + len(result.rejected)
        progress(Progress("Converting pictures", done, total, len(rejects.reasons)))
    return rejects


def _tasks(
    reader: Reader, catalogue: Catalogue, options: ConvertOptions, rejects: Rejects
) -> Iterator[Task]:
    """Yields a task per selected image, and counts positions for the split every-5th."""
    by_position = options.split == "every-5th"
    step = eval_step(options)
    positions: Counter[int] = Counter()
    for picture in reader.pictures():
        if isinstance(picture, Unusable):
            rejects.add(picture.file_name, picture.reason)
            continue
        label = catalogue.label(picture.class_name, picture.file_name)
        if label is None:
            continue
        split = split_by_position(positions[label], step) if by_position else None
        positions[label] += 1
        yield Task(label, catalogue.labels[label], picture.file_name, picture.content, split)


class _Findings:
    """Writes `audit.csv`: one row per finding."""

    def __init__(
        self, path: Path, found: Audit, labels: tuple[str, ...], splits: tuple[str, ...]
    ) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._file, lineterminator="\n")
        self._table.writerow(("file", "breed", "split", "finding", "detail"))
        self._found, self._labels, self._splits = found, labels, splits
        self.num_files: Counter[str] = Counter()
        """Number of images by finding."""

    def __enter__(self) -> _Findings:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def note(self, record: SpilledRecord) -> None:
        """Writes the findings of an image."""
        split = self._splits[self._found.split_of.get(record.key, record.split)]
        if record.key in self._found.rejected:
            split = ""
        for finding, detail in self._found.findings(record.key, record.look, self._labels):
            name = shown(os.fsdecode(record.file_name))
            self._table.writerow((name, self._labels[record.label], split, finding, detail))
            self.num_files[finding] += 1


def _check_apart(source: str, out: Path) -> None:
    if source.startswith(TFDS_PREFIX):
        return
    pictures, made = Path(source).resolve(), out.resolve()
    if made == pictures or pictures in made.parents:
        raise DatasetError(f"{out} lies inside the source {source}: name a folder elsewhere.")
    if made in pictures.parents:
        raise DatasetError(f"{source} lies inside the destination {out}: name another folder.")


def _is_large(source: str) -> bool:
    """Returns whether worker processes will be needed, from the first few files."""
    if source.startswith(TFDS_PREFIX):
        return True
    files = islice(open_store(Path(source)).walk(), FEW_PICTURES + 1)
    return sum(1 for _ in files) > FEW_PICTURES


class _Terminated(BaseException):
    """Raised on SIGTERM. Not an Exception, so that no handler on the way catches it."""


@contextmanager
def _terminated_like_interrupted(out: Path) -> Iterator[None]:
    """Makes SIGTERM clean up like Ctrl-C, in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Terminated:
        raise DatasetError(f"Stopped by SIGTERM: nothing was written to {out}.") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _explained(error: OSError, out: Path) -> DatasetError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DatasetError(
            f"The disk of {out} is full: a conversion needs up to twice the size of its result; "
            "free some room, or lower --shorter-side."
        )
    where = error.filename or out
    return DatasetError(f"{where} cannot be read or written: {error.strerror or error}.")


def _say_nothing(progress: Progress) -> None:
    pass
