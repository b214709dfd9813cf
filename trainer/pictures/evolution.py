"""Draws the evolution of filters and feature maps while a network trains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from trainer.pictures.events import ImageEvents
from trainer.pictures.feature_maps import FeatureMaps
from trainer.pictures.filters import filter_section
from trainer.pictures.frames import Frames
from trainer.pictures.sheet import draw_section, draw_sheet
from trainer.training.config import PicturesConfig


class DrawEvolution(keras.callbacks.Callback):
    """Draws first-layer filters and the feature maps of one picture, again and again.

    A training that starts at step 0 gets a frame of the untrained network first. A training that
    goes on from a checkpoint keeps the frames up to there; for that none is missing, this callback
    must come before the one that saves checkpoints.

    Args:
        network: whose layers are drawn. It may be another model than the one that is fitted, as
            long as they share layers.
        picture: `(height, width, channels)` uint8 in [0, 255].
        config: how often, and which layers.
        log_dir: TensorBoard's folder; images go to its `train` run.
        frames_dir: folder of the frames, for `Frames`.
        first_step: steps that were done before this start.

    Raises:
        ValueError: the network has no layer of a name in `config.layers`.
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
        """Forgets frames of steps that will be done again, and draws the untrained network."""
        self._events = ImageEvents(self._log_dir)
        self._frames.drop_after(self._step)
        if self._step == 0:
            self._draw()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Notes where the epoch starts, because batches are counted within it."""
        self._step_before_epoch = self._step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Draws when the next `every_steps` steps are done."""
        before, self._step = self._step, self._step_before_epoch + batch + 1
        # Keras may do several steps before it calls: compare multiples, not remainders.
        if self._every_steps and self._step // self._every_steps > before // self._every_steps:
            self._draw()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Draws after an epoch where no number of steps is given."""
        if not self._every_steps:
            self._draw()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Closes the event file."""
        if self._events:
            self._events.close()
            self._events = None

    def _draw(self) -> None:
        filters = filter_section(self._network)
        sections = [*([filters] if filters else []), *self._feature_maps.sections()]
        drawn = {section.name: draw_section(section) for section in sections}
        if drawn and self._events:
            self._frames.save(draw_sheet(f"Step {self._step:,}", list(drawn.values())), self._step)
            self._events.write(drawn, self._step)
