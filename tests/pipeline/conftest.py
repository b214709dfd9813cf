from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from ingestion.conversion import convert
from ingestion.dataset import Dataset
from ingestion.options import ConvertOptions
from ingestion.toy_dogs.sample import write_sample
from pipeline.cli.train.run import report_run
from pipeline.config.load import load_config
from pipeline.local.run_pipeline import FinishedRun, run


@dataclass(frozen=True)
class FirstRun:
    """A run that has pushed a model."""

    root: Path
    """Where it ran; later runs may follow below the same root."""
    finished: FinishedRun
    said: str
    """What the terminal said of it."""
    untouched: Path
    """A copy of `root` without later runs."""


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Records of 72 small toy dogs of six breeds."""
    scratch = tmp_path_factory.mktemp("records")
    archive = write_sample(scratch / "pictures", per_breed=12, size_px=48)
    return convert(str(archive), scratch / "records", ConvertOptions(eval_share=0.4))


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, records: Dataset) -> FirstRun:
    """The real pipeline, once, on `records` with `tiny_settings`."""
    scratch = tmp_path_factory.mktemp("first-run")
    root = scratch / "root"
    console = Console(file=io.StringIO(), width=160)
    config = load_config(None, tiny_settings(root), source=str(records.path))
    finished = run(config, console)
    report_run(config, finished, console)
    shutil.copytree(root, scratch / "untouched")
    said = console.file.getvalue()  # type: ignore[attr-defined]
    return FirstRun(root, finished, said, scratch / "untouched")


def tiny_settings(root: Path) -> list[str]:
    """Overrides that make a run small: a tiny network, 120 steps, no lower bounds."""
    return [
        f"root={root}",
        "trainer.network.input_px=32",
        "trainer.network.width=8",
        "trainer.network.blocks=[1,1]",
        "trainer.epochs=20",
        "trainer.batch_size=8",
        "evaluator.min_error_reduction=null",
        "evaluator.min_accuracy=0",
        "evaluator.min_top_5_accuracy=0",
        "evaluator.max_accuracy_drop=1",
    ]
