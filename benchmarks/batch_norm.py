"""Training with fused batch normalisation against Keras' own, in float32 and in bfloat16.

One process trains the network of `configs/stanford-dogs.yaml` four ways, a step of each in turn,
and prints pictures per second of the processor's time, which other work on the machine disturbs
less than the clock does. `bfloat16` needs a processor with instructions for it.

Usage: python benchmarks/batch_norm.py [--input-px 80] [--steps 8]
"""

from __future__ import annotations

import argparse
import os
import time
from statistics import median
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from trainer.networks import batch_norm
from trainer.networks.residual import ResidualConfig

_BATCH_SIZE, _NUM_BREEDS = 64, 120
_LAYERS = {
    "Keras": keras.layers.BatchNormalization,
    "fused": batch_norm.FusedBatchNormalization,
}


def main() -> None:
    """Trains a few steps each way and prints them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input-px", type=int, default=80, help="side of a picture")
    parser.add_argument("--steps", type=int, default=8, help="steps of each; the median counts")
    arguments = parser.parse_args()
    px = arguments.input_px
    models = {
        (precision, layer): _model(px, precision, layer)
        for precision in ("float32", "mixed_bfloat16")
        for layer in _LAYERS
    }
    pictures = np.random.default_rng(0).integers(0, 256, (_BATCH_SIZE, px, px, 3), np.uint8)
    labels = np.arange(_BATCH_SIZE) % _NUM_BREEDS
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in models}
    for _ in range(arguments.steps + 1):
        for way, model in models.items():
            started = time.process_time()
            model.train_on_batch(pictures, labels)
            seconds[way].append(time.process_time() - started)
    rates = {way: _BATCH_SIZE / median(each[1:]) for way, each in seconds.items()}
    table = Table(title=f"Training at {px} px, batches of {_BATCH_SIZE}")
    for column in ("precision", "batch normalisation", "pictures/CPU s", "ratio"):
        table.add_column(column, justify="right" if "/" in column or column == "ratio" else "left")
    slowest = rates["float32", "Keras"]
    for (precision, layer), rate in rates.items():
        table.add_row(precision, layer, f"{rate:,.0f}", f"{rate / slowest:.2f}")
    Console().print(table)


def _model(px: int, precision: str, layer: str) -> keras.Model:
    config = ResidualConfig(input_px=px, width=32, blocks=(1, 2, 3, 2), squeeze=True)
    keras.config.set_dtype_policy(precision)
    pictures = keras.Input(config.image.shape, dtype="uint8")
    with mock.patch.object(batch_norm, "FusedBatchNormalization", _LAYERS[layer]):
        pixels = config.normalised(pictures, statistics=None)
        model = keras.Model(pictures, config.build_logits(pixels, _NUM_BREEDS))
    keras.config.set_dtype_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adamw", loss, jit_compile=False)
    return model


if __name__ == "__main__":
    main()
