"""Finds the records of a run, converting images if there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from foundation.errors import UsageError
from ingestion.conversion import convert
from ingestion.dataset import (
    AUDIT_FILE,
    DATASET_FILE,
    Dataset,
    load_dataset,
)
from ingestion.options import ConvertOptions
from ingestion.options import Progress as ConvertProgress
from ingestion.sources.fingerprint import source_fingerprint
from ingestion.toy_dogs.sample import ARCHIVE_NAME, write_sample
from pipeline.config.config import Config
from pipeline.local.added_pictures import change, last_records_like

_KEY_DIGITS = 16


def find_records(config: Config, console: Console) -> Dataset:
    """Returns the records of a run, converting images at most once.

    Raises:
        DatasetError: the source cannot be used.
        UsageError: there are decisions, but the source is converted already.
    """
    source = config.data.source
    if source is None:
        source = str(_sample(config.root_path / "sample", console))
    elif Path(source, DATASET_FILE).is_file():
        if config.data.convert.decisions is not None:
            raise UsageError(
                f"data.convert.decisions is applied when pictures are converted, and {source} is "
                "converted already: name the pictures, or convert them again with --decisions."
            )
        return load_dataset(Path(source))
    options = config.data.convert
    with console.status(f"Listing {escape(source)}"):  # a folder may hold a million files
        key = source_fingerprint(source, options)[:_KEY_DIGITS]
    records = config.root_path / "records" / key
    if (records / DATASET_FILE).is_file():
        return load_dataset(records)
    records.parent.mkdir(parents=True, exist_ok=True)
    dataset = convert_shown(source, records, options, console)
    console.print(describe(dataset), markup=False, soft_wrap=True)
    if changed := change(last_records_like(dataset), dataset):
        console.print(changed, markup=False, soft_wrap=True)
    return dataset


def convert_shown(source: str, out: Path, options: ConvertOptions, console: Console) -> Dataset:
    """Converts images under a progress bar, as `ingestion.conversion.convert` does."""
    with _progress_bar(console) as report:

        def show(progress: ConvertProgress) -> None:
            rejected = f", {progress.rejected} rejected" if progress.rejected else ""
            report(f"{progress.stage}{rejected}", progress.done, progress.total)

        return convert(source, out, options, show)


def draw_shown(directory: Path, seed: int, per_breed: int, console: Console) -> Path:
    """Draws the sample under a progress bar, as `ingestion.toy_dogs.sample.write_sample` does."""
    with _progress_bar(console) as report:
        return write_sample(
            directory,
            seed=seed,
            per_breed=per_breed,
            progress=lambda done, total: report("Drawing toy dogs", done, total),
        )


def describe(dataset: Dataset) -> str:
    """Describes a dataset in one line."""
    splits = ", ".join(f"{split.num_examples:,} {name}" for name, split in dataset.splits.items())
    line = f"{len(dataset.labels)} breeds, {splits} pictures"
    if dataset.num_rejected:
        line += f"; {dataset.num_rejected} rejected (see {dataset.path / 'rejected.csv'})"
    if dataset.left_out:
        names = ", ".join(f"{name} ({count})" for name, count in list(dataset.left_out.items())[:5])
        more = f" and {len(dataset.left_out) - 5} more" if len(dataset.left_out) > 5 else ""
        line += f"; too small to be split and left out: {names}{more}"
    if dataset.decisions is not None:
        line += f"; {dataset.decisions.in_words}"
    left_out = dataset.options["contradictory"] == "reject"
    for finding, num_files in dataset.findings.items():
        what = f"{finding}, left out" if finding == "contradictory" and left_out else finding
        line += f"; {num_files:,} {what}"
    if dataset.findings:
        line += f" (see {dataset.path / AUDIT_FILE})"
    return line


def _sample(directory: Path, console: Console) -> Path:
    archive = directory / ARCHIVE_NAME
    return archive if archive.is_file() else draw_shown(directory, 0, 100, console)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} pictures/s" if speed else "", "dim")


@contextmanager
def _progress_bar(console: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    """Shows one bar for each stage; yields `report(stage, done, total)`."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    stage_of_bar: str | None = None
    task_id = bar.add_task("", total=None)

    def report(stage: str, done: int, total: int | None) -> None:
        nonlocal stage_of_bar
        name = stage.partition(",")[0]
        if name != stage_of_bar:
            stage_of_bar = name
            bar.reset(task_id, total=total)
            if not console.is_terminal:
                console.print(f"{name} ...")
        bar.update(task_id, description=stage, completed=done, total=total)

    with bar:
        yield report
