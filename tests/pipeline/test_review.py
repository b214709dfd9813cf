"""From labels that are wrong, over `dogbreed review` and decisions, to labels that are right."""

from __future__ import annotations

import csv
import io
import random
import tarfile
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from foundation.errors import UsageError
from ingestion.dataset import Dataset
from ingestion.records import decode_example, read_records
from ingestion.toy_dogs.sample import write_sample
from pipeline.cli.main import app
from pipeline.config.config import Config
from pipeline.config.load import load_config
from pipeline.local.find_records import find_records
from pipeline.local.run_pipeline import run
from tests.pipeline.conftest import tiny_settings

pytestmark = [pytest.mark.slow, pytest.mark.long]

_SWAPPED = 40
_MENDED = "relabel:"


def _review(root: Path, *arguments: str) -> Result:
    options = ["review", *arguments, "--root", str(root)]
    return CliRunner().invoke(app, options, catch_exceptions=False)


def _rows(root: Path) -> list[dict[str, str]]:
    with (root / "review" / "suspects.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _breeds(dataset: Dataset) -> dict[str, str]:
    examples = [
        decode_example(record)
        for split in dataset.splits
        for shard in dataset.shards(split)
        for record in read_records(shard)
    ]
    return {
        each["image/filename"].decode(): each["image/class/text"].decode()  # type: ignore[union-attr]
        for each in examples
    }


def _readable(folder: str) -> str:
    return folder.partition("-")[2].replace("_", " ")


def _swap_labels(source: Path) -> dict[str, str]:
    """Moves pictures to wrong breeds; returns the right ones by the new file name."""
    rng = random.Random(3)
    folders = sorted(source.iterdir())
    truths = {}
    for file in rng.sample(sorted(source.rglob("*.jpg")), _SWAPPED):
        wrong = rng.choice([folder for folder in folders if folder != file.parent])
        file.rename(wrong / file.name)
        truths[f"{wrong.name}/{file.name}"] = _readable(file.parent.name)
    return truths


def _config(root: Path, source: Path, *overrides: str) -> Config:
    settings = [
        *tiny_settings(root), "trainer.network.input_px=48", "pusher.enabled=false",
        "report.enabled=false", "data.convert.eval_share=0.3", *overrides,
    ]  # fmt: skip
    return load_config(None, settings, source=str(source))


def test_swapped_labels_come_first_and_are_mended_by_decisions(tmp_path: Path) -> None:
    archive = write_sample(tmp_path / "pictures", per_breed=80, size_px=48)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    source, root = tmp_path / "Images", tmp_path / "root"
    truths = _swap_labels(source)
    console = Console(file=io.StringIO(), width=160)
    run(_config(root, source), console)

    done = _review(root)

    before = find_records(_config(root, source), console)
    judged = [name for name in _eval_names(before) if name in truths]
    rows = _rows(root)
    first = [row["file"] for row in rows[: len(judged)]]
    found = [name for name in first if name in truths]
    print(f"{len(found)} of {len(judged)} swapped labels are among the first {len(judged)}")
    assert len(found) >= 0.4 * len(judged)  # at random it would be one in twelve
    assert f"{len(rows)} of 480 labels are doubtful: " in done.stdout
    assert "after 'dogbreed run --folds 5' it is asked about all" in done.stdout
    assert (root / "review" / "review.html").stat().st_size > 1000 * len(rows)

    # Someone who knows decides, in the table.
    table = root / "review" / "suspects.csv"
    for row in rows:
        truth = truths.get(row["file"])
        row["decision"] = f"{_MENDED}{truth}" if truth else "keep"
    with table.open("w", newline="") as file:
        written = csv.DictWriter(file, list(rows[0]))
        written.writeheader()
        written.writerows(rows)
    decided = _config(root, source, f"data.convert.decisions={table}")
    after = find_records(decided, console)

    mended = {row["file"] for row in rows if row["decision"].startswith(_MENDED)}
    assert after.decisions is not None
    assert after.decisions.relabelled == len(mended)
    assert after.decisions.kept == len(rows) - len(mended)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{len(mended)} relabelled, 0 dropped, {len(rows) - len(mended)} kept" in said
    assert after.fingerprint != before.fingerprint
    breeds, breeds_before = _breeds(after), _breeds(before)
    assert {name for name in breeds if breeds[name] != breeds_before[name]} == mended
    assert all(breeds[name] == truths[name] for name in mended)

    # What was decided stays in the table until it is applied, and nobody has to say it twice.
    _review(root)
    assert [row["decision"] for row in _rows(root)] == [row["decision"] for row in rows]


def _eval_names(dataset: Dataset) -> list[str]:
    return [
        decode_example(record)["image/filename"].decode()  # type: ignore[union-attr]
        for shard in dataset.shards("eval")
        for record in read_records(shard)
    ]


def test_what_cannot_be_reviewed_or_decided_is_said(tmp_path: Path, records: Dataset) -> None:
    done = _review(tmp_path)
    assert done.exit_code != 0
    assert "No run is recorded" in done.stderr

    decisions = tmp_path / "decisions.csv"
    decisions.write_text("file,decision\n")
    config = _config(tmp_path, records.path, f"data.convert.decisions={decisions}")
    with pytest.raises(UsageError, match="is converted already"):
        find_records(config, Console(file=io.StringIO()))
