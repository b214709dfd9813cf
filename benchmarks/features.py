"""Features computed once against a backbone in every epoch, side by side.

Both sides train the same last layer behind the same frozen backbone, whose weights are random, in
processes of their own. One computes the whole network in every step, as training does with
`feature_copies=0`; the other computes the features of each picture and its mirror image once. The
table has seconds of the processor, which other work on the machine disturbs less, and what forty
epochs come to.

Usage: python benchmarks/features.py [--examples 600] [--epochs 3] [--input-px 224]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_NUM_BREEDS = 6
_SIDES = {"in every step": 0, "once": 2}


def main() -> None:
    """Measures both sides and prints them, or is one of the processes measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=600, help="pictures to learn from")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each run, at least 3")
    parser.add_argument("--input-px", type=int, default=224, help="side of a picture")
    parser.add_argument("--backbone", default="MobileNetV2", help="of keras.applications")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        settings, folder = arguments.measure
        print(json.dumps(_measure(json.loads(settings), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        _compare(arguments, Path(scratch))


def _compare(arguments: argparse.Namespace, scratch: Path) -> None:
    _in_process({"write": vars(arguments)}, scratch)
    table = Table(
        title=f"{arguments.backbone}, {arguments.examples} pictures of {arguments.input_px} px, "
        f"{arguments.epochs} epochs"
    )
    for column in ("features", "before", "an epoch", "all", "40 epochs would take"):
        table.add_column(column, justify="left" if column == "features" else "right")
    for name, copies in _SIDES.items():
        took = _in_process({"copies": copies, **vars(arguments)}, scratch)
        table.add_row(
            name,
            *(
                f"{seconds:,.1f} CPU s"
                for seconds in (
                    took["before"],
                    took["epoch"],
                    took["all"],
                    took["before"] + 40 * took["epoch"],
                )
            ),
        )
    Console(width=100).print(table)


def _in_process(settings: dict[str, Any], scratch: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", json.dumps(settings), str(scratch)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{settings} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _measure(settings: dict[str, Any], scratch: Path) -> dict[str, float]:
    if "write" in settings:
        return _write(settings["write"], scratch)
    import keras

    from trainer.training.config import TrainerConfig
    from trainer.training.input import Split
    from trainer.training.train import train

    config = TrainerConfig.model_validate(
        {
            "network": {
                "name": "transfer",
                "backbone": settings["backbone"],
                "weights": str(scratch / "backbone.weights.h5"),
                "input_px": settings["input_px"],
                "frozen_fraction": 1,
                "feature_copies": settings["copies"],
            },
            "epochs": settings["epochs"],
            "eval_every_epochs": settings["epochs"],
            "batch_size": 32,
            "pictures": {"histograms": False},
        }
    )
    moments: list[float] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            moments.append(time.process_time())

    split = Split.find([str(scratch / "train.gz")])
    started_at = time.process_time()
    train(
        config,
        split,
        Split.find([str(scratch / "eval.gz")]),
        num_classes=_NUM_BREEDS,
        work_dir=scratch / f"copies-{settings['copies']}",
        callbacks_for=lambda network, first_step: [Watch()],
    )
    # The first epoch traces the graph, the last one measures: those between are what epochs cost.
    return {
        "before": moments[0] - started_at,
        "epoch": (moments[-1] - moments[1]) / (len(moments) - 2),
        "all": time.process_time() - started_at,
    }


def _write(settings: dict[str, Any], scratch: Path) -> dict[str, float]:
    """Writes smooth pictures as Transform would, and a backbone's first weights."""
    import keras
    import numpy as np
    import tensorflow as tf

    from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
    from trainer.preprocessing.image import TransformConfig
    from trainer.preprocessing.transform import store

    input_px = settings["input_px"]
    rng = np.random.default_rng(1)
    for name, num_examples in (("train", settings["examples"]), ("eval", _NUM_BREEDS)):
        with tf.io.TFRecordWriter(str(scratch / f"{name}.gz"), "GZIP") as out:
            for number in range(num_examples):
                coarse = rng.integers(0, 256, (8, 8, 3)).astype(np.float32)
                picture = tf.cast(tf.image.resize(coarse, (input_px, input_px)), tf.uint8)
                stored = tf.train.BytesList(value=[store(picture, TransformConfig()).numpy()])
                label = tf.train.Int64List(value=[number % _NUM_BREEDS])
                features = {
                    transformed_name(IMAGE_KEY): tf.train.Feature(bytes_list=stored),
                    transformed_name(LABEL_KEY): tf.train.Feature(int64_list=label),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                out.write(example.SerializeToString())
    backbone = getattr(keras.applications, settings["backbone"])(
        include_top=False, weights=None, input_shape=(input_px, input_px, 3)
    )
    backbone.save_weights(scratch / "backbone.weights.h5")
    return {}


if __name__ == "__main__":
    main()
