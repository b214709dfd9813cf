from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.training.callbacks import WriteHistograms


def test_every_variable_has_a_histogram_after_each_epoch_and_large_ones_are_thinned(
    tmp_path: Path,
) -> None:
    model = keras.Sequential(
        [keras.Input((600,)), keras.layers.Dense(500, name="large"), keras.layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    model.get_layer("large").kernel.assign(np.linspace(-1, 3, 300_000).reshape(600, 500))

    model.fit(
        np.zeros((4, 600)), np.zeros(4), epochs=2, verbose=0, callbacks=[WriteHistograms(tmp_path)]
    )

    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    [name] = [tag for tag in events.Tags()["tensors"] if tag.endswith("large/kernel")]
    tensors = events.Tensors(name)
    assert [event.step for event in tensors] == [0, 1]
    assert len(events.Tags()["tensors"]) == 4
    buckets = tf.make_ndarray(tensors[1].tensor_proto)  # rows of left edge, right edge, count
    assert buckets[0, 0] == pytest.approx(-1, abs=0.01)
    assert buckets[-1, 1] == pytest.approx(3, abs=0.01)
    counts = buckets[:, 2]
    assert counts.sum() == 100_000
    assert counts.std() / counts.mean() < 0.1
