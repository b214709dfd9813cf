"""Reads the training curve and the images that the training wrote."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.report.facts import ModelPicture, Training
from trainer.training.history import HISTORY_FILE, Epoch, read_history

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
    """Reads Trainer's output from the folder of its ModelRun.

    Missing files are logged and left out: a network without convolutions, for one, has no filters.
    """
    network = (about.get("trainer") or {}).get("network", {})
    return Training(
        network=str(network.get("name", "unknown")),
        num_parameters=about.get("parameters"),
        epochs=_epochs(model_run),
        pictures=tuple(_pictures(model_run / "pictures")),
        pretrained=network.get("name") == "transfer" and network.get("weights") != "none",
    )


def _epochs(model_run: Path) -> tuple[Epoch, ...]:
    if not (model_run / HISTORY_FILE).is_file():
        logging.warning("Report: no training curve, as %s is missing.", model_run / HISTORY_FILE)
        return ()
    return read_history(model_run)


def _pictures(folder: Path) -> Iterator[ModelPicture]:
    for name, title, alt, media_type in _PICTURES:
        path = folder / name
        if path.is_file():
            yield ModelPicture(title, alt, media_type, path.read_bytes())
        else:
            logging.warning("Report: no picture '%s', because %s is missing.", title, path)
