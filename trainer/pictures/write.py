"""Writes the images of a finished training, as files and to TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf
from PIL import Image

from trainer.pictures.evolution import Frames, ImageEvents
from trainer.pictures.feature_maps import FeatureMaps
from trainer.pictures.filters import filter_section
from trainer.pictures.hand_made import draw_hand_made
from trainer.pictures.predictions import draw_predictions, guess
from trainer.pictures.sheet import draw_section, draw_sheet
from trainer.training.config import PicturesConfig


def write_pictures(
    network: keras.Model,
    eval_batches: tf.data.Dataset,
    breeds: Sequence[str],
    frames_dir: Path,
    out_dir: Path,
    log_dir: Path,
    step: int,
    config: PicturesConfig,
) -> list[Path]:
    """Writes filters, feature maps, their evolution, predictions and hand-made filters.

    Args:
        network: the trained network, from uint8 images to logits.
        eval_batches: images `(batch, height, width, channels)` uint8 and one-hot labels `(batch,
            num_classes)` float32; at least one example. Feature maps and hand-made filters are
            drawn of the first image.
        breeds: class names in label order.
        frames_dir: folder of the frames of `DrawEvolution`.
        out_dir: folder for the files, created if missing.
        log_dir: TensorBoard's folder; images go to its `train` run.
        step: number of training steps.
        config: which layers to draw.

    Returns:
        The files: filters.png, feature_maps.png, predictions.png, hand_made_filters.png and
        evolution.gif, except for those that do not apply to the network.

    Raises:
        ValueError: a layer in `config.layers` does not exist.
    """
    [picture] = next(iter(eval_batches))[0].numpy()[:1]
    sheets: dict[str, Image.Image] = {}
    if filters := [
        section for scale in ("each", "all") if (section := filter_section(network, scale))
    ]:
        sheets["filters"] = draw_sheet(
            f"First-layer filters after {step:,} steps", [draw_section(each) for each in filters]
        )
    feature_maps = FeatureMaps(network, picture, config.layers)
    if maps := feature_maps.sections():
        sheets["feature_maps"] = draw_sheet(
            f"Feature maps after {step:,} steps",
            [draw_section(each) for each in (feature_maps.picture_section(), *maps)],
        )
    sheets["predictions"] = draw_predictions(guess(network, eval_batches, breeds), step)
    sheets["hand_made_filters"] = draw_hand_made(picture)

    out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, sheet in sheets.items():
        paths.append(out_dir / f"{name}.png")
        sheet.save(paths[-1])
    if Frames(frames_dir).write_gif(out_dir / "evolution.gif"):
        paths.append(out_dir / "evolution.gif")
    events = ImageEvents(log_dir)
    events.write({f"final/{name}": sheet for name, sheet in sheets.items()}, step)
    events.close()
    return paths
