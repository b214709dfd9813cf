"""Draws how filters and feature maps change while a network trains."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from trainer.pictures.feature_maps import FeatureMaps
from trainer.pictures.filters import filter_section
from trainer.pictures.sheet import draw_section, draw_sheet
from trainer.training.config import PicturesConfig

_NAME = re.compile(r"step-(\d+)\.png")
_MAX_GIF_FRAMES = 200  # forty seconds; longer trainings are thinned out
_FRAME_MS, _LAST_FRAME_MS = 200, 2000
_QUICK_PNG = 3  # zlib's level; training waits for it


class Frames:
    """The frames in a folder, created on the first save; they survive a killed training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def steps(self) -> list[int]:
        """Returns the steps that have frames, sorted."""
        names = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(int(match[1]) for path in names if (match := _NAME.fullmatch(path.name)))

    def path(self, step: int) -> Path:
        """Returns the path of the frame of a step."""
        return self._folder / f"step-{step:08d}.png"

    def save(self, frame: Image.Image, step: int) -> None:
        """Writes a frame atomically."""
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._folder / ".half-written"
        frame.save(half, "PNG", compress_level=_QUICK_PNG)
        os.replace(half, self.path(step))

    def drop_after(self, step: int) -> None:
        """Removes the frames of later steps, which will be repeated."""
        for later in self.steps():
            if later > step:
                self.path(later).unlink()

    def write_gif(self, path: Path) -> bool:
        """Writes the animation, of at most 200 frames; returns whether there was a frame."""
        steps = self.steps()
        if not steps:
            return False
        places = np.linspace(0, len(steps) - 1, min(len(steps), _MAX_GIF_FRAMES)).round()
        first, *others = (self._quantized(steps[int(place)]) for place in places)
        first.save(
            path,
            "GIF",
            save_all=True,
            append_images=others,
            duration=[_FRAME_MS] * len(others) + [_LAST_FRAME_MS],
            loop=0,
        )
        return True

    def _quantized(self, step: int) -> Image.Image:
        with Image.open(self.path(step)) as frame:
            return frame.quantize(dither=Image.Dither.NONE)


_TRAIN_RUN = "train"  # as Keras' TensorBoard callback names it


class ImageEvents:
    """Writes images to the `train` run of TensorBoard's folder `log_dir`."""

    def __init__(self, log_dir: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(log_dir / _TRAIN_RUN))

    def write(self, images: Mapping[str, Image.Image], step: int) -> None:
        """Writes images by tag, and flushes them."""
        # Keras' own callback may have summaries disabled between its own.
        with self._writer.as_default(step=step), tf.summary.record_if(True):
            for tag, image in images.items():
                tf.summary.image(tag, np.asarray(image.convert("RGB"))[None])
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


class DrawEvolution(keras.callbacks.Callback):
    """Keras callback that periodically draws first-layer filters and feature maps of one image.

    A training that starts at step 0 gets a frame of the untrained network first. One that resumes
    keeps the frames up to its checkpoint; this callback must come before the one that saves
    checkpoints, so that no frame is missing.

    Args:
        network: whose layers are drawn; it may be another model than the fitted one, if they share
            layers.
        picture: `(height, width, channels)` uint8 in [0, 255].
        config: how often, and which layers.
        log_dir: TensorBoard's folder; images go to its `train` run.
        frames_dir: folder of the frames.
        first_step: steps done before this start.

    Raises:
        ValueError: a layer in `config.layers` does not exist.
    """

    def __init__(
        self,
        network: keras.Model,
        picture: npt.NDArray[np.uint8],
        config: PicturesConfig,
        log_dir: Path,
        frames_dir: Path,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self._network = network
        self._feature_maps = FeatureMaps(network, picture, config.layers)
        self._every_steps = config.every_steps
        self._log_dir = log_dir
        self._frames = Frames(frames_dir)
        self._step = self._step_before_epoch = first_step
        self._events: ImageEvents | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Removes frames of steps to be repeated, and draws an untrained network."""
        self._events = ImageEvents(self._log_dir)
        self._frames.drop_after(self._step)
        if self._step == 0:
            self._draw()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remembers the step, because batches are counted from the start of the epoch."""
        self._step_before_epoch = self._step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Draws every `every_steps` steps."""
        before, self._step = self._step, self._step_before_epoch + batch + 1
        # Keras may do several steps before it calls: compare multiples, not remainders.
        if self._every_steps and self._step // self._every_steps > before // self._every_steps:
            self._draw()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Draws after each epoch if `every_steps` is not set."""
        if not self._every_steps:
            self._draw()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Closes the event file."""
        if self._events:
            self._events.close()
            self._events = None

    def _draw(self) -> None:
        # A frozen backbone looks the same after every epoch.
        if self._frames.steps() and not any(
            layer.trainable_variables for layer in self._network.layers[:-1]
        ):
            return
        filters = filter_section(self._network)
        sections = [*([filters] if filters else []), *self._feature_maps.sections()]
        drawn = {section.name: draw_section(section) for section in sections}
        if drawn and self._events:
            self._frames.save(draw_sheet(f"Step {self._step:,}", list(drawn.values())), self._step)
            self._events.write(drawn, self._step)
