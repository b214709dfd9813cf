"""Reads how a model came to be: its training curve, and the pictures that the training left."""

from __future__ import annotations

import csv
import itertools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.report.facts import Epoch, ModelPicture, Training
from trainer.training.history import HISTORY_FILE

_PICTURES = (
    (
        "filters.png",
        "First-layer filters",
        "The filters of the first layer, drawn as small pictures: what the network looks for first",
        "image/png",
    ),
    (
        "evolution.gif",
        "Evolution of filters and feature maps",
        "Moving picture: filters and feature maps from the first step of the training to the last",
        "image/gif",
    ),
    (
        "feature_maps.png",
        "Feature maps",
        "An eval picture, and what convolutions of the network make of it",
        "image/png",
    ),
)


def read_training(model_run: Path, about: Mapping[str, Any]) -> Training:
    """Reads what Trainer left.

    A file that is not there is left out and named in the log: a network without convolutions, for
    one, has no filters to draw.

    Args:
        model_run: folder of Trainer's ModelRun.
        about: what the model says of itself.
    """
    trainer = about.get("trainer") or {}
    return Training(
        network=str(trainer.get("network", {}).get("name", "unknown")),
        num_parameters=about.get("parameters"),
        epochs=tuple(_epochs(model_run / HISTORY_FILE)),
        pictures=tuple(_pictures(model_run / "pictures")),
    )


def _epochs(path: Path) -> Iterator[Epoch]:
    if not path.is_file():
        logging.warning("Report: no training curve, because %s is missing.", path)
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for before, row in zip(itertools.chain([None], rows), rows, strict=False):
        elapsed_s = _number(row, "elapsed_s")
        before_s = _number(before, "elapsed_s") if before is not None else 0.0
        yield Epoch(
            epoch=int(row["epoch"]),
            loss=_number(row, "loss"),
            accuracy=_number(row, "accuracy"),
            eval_loss=_number(row, "val_loss"),
            eval_accuracy=_number(row, "val_accuracy"),
            learning_rate=_number(row, "learning_rate"),
            seconds=elapsed_s - before_s
            if elapsed_s is not None and before_s is not None
            else None,
        )


def _number(row: Mapping[str, str], name: str) -> float | None:
    """Reads a value; training leaves empty what it did not measure in that epoch."""
    text = row.get(name)
    return float(text) if text else None


def _pictures(folder: Path) -> Iterator[ModelPicture]:
    for name, title, alt, media_type in _PICTURES:
        path = folder / name
        if path.is_file():
            yield ModelPicture(title, alt, media_type, path.read_bytes())
        else:
            logging.warning("Report: no picture '%s', because %s is missing.", title, path)
