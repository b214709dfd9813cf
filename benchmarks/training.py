"""Training throughput inside the Trainer against a bare `model.fit`, the input alone, and memory.

Throughput: both sides train the same network on the same pictures, in turns and in processes of
their own. The bare side has them decoded in memory and does nothing else. Ours reads them from
Transform's files, and has checkpoints, curves, histograms and pictures besides; once without and
once with augmentation. An epoch's time is the median of all but the first.

Memory: the peak of a training whose pictures are not kept in memory, over ten times as many.

Usage: python benchmarks/training.py [--examples 4800] [--epochs 4] [--rounds 2]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_PER_FILE = 600
_NUM_BREEDS = 6
_NUM_IN_MEMORY_TEST = 12_000
_STEPS_IN_MEMORY_TEST = 60
_KIB_PER_MIB = 1 << 10
_STILL = {"flip": False, "shift_fraction": 0}


def main() -> None:
    """Measures everything and prints it side by side, or is one of the processes measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=4800, help="pictures in an epoch")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of each run")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each side; the best counts")
    parser.add_argument("--input-px", type=int, default=64, help="side of a picture")
    parser.add_argument("--width", type=int, default=32, help="filters of the first stage")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        side, settings, folder = arguments.measure
        print(json.dumps(_SIDES[side](json.loads(settings), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        _measure_all(arguments, Path(scratch))


def _measure_all(arguments: argparse.Namespace, scratch: Path) -> None:
    settings = {
        "network": {"name": "residual", "input_px": arguments.input_px, "width": arguments.width},
        "epochs": arguments.epochs,
        "eval_every_epochs": arguments.epochs,
        "batch_size": 64,
    }
    _write_examples(scratch / "all", arguments.examples // _PER_FILE, arguments.input_px)
    _write_examples(scratch / "few", _NUM_IN_MEMORY_TEST // _PER_FILE, arguments.input_px)
    _write_examples(scratch / "many", 10 * _NUM_IN_MEMORY_TEST // _PER_FILE, arguments.input_px)
    sides = {
        "bare model.fit": ("bare", settings),
        "dogbreed": ("ours", {**settings, "augment": _STILL}),
        "dogbreed, augmenting": ("ours", settings),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, (side, chosen) in sides.items():
            rates[name].append(_in_process(side, chosen, scratch / "all"))
            print(f"{name}: {rates[name][-1]:,.0f} pictures/s", flush=True)

    console = Console(width=100)
    bare = max(rates["bare model.fit"])
    size = f"{arguments.input_px} px, width {arguments.width}"
    table = Table(title=f"Training on {arguments.examples:,} pictures of {size}")
    for column in ("", "pictures/s", "of bare"):
        table.add_column(column, justify="left" if not column else "right")
    for name, measured in rates.items():
        table.add_row(name, f"{max(measured):,.0f}", f"{max(measured) / bare:.2f}")
    for name, cache_mib in (("kept in memory", 2048), ("decoded anew", 0)):
        rate = _in_process("input", {**settings, "cache_mib": cache_mib}, scratch / "all")
        table.add_row(f"input alone, augmenting, {name}", f"{rate:,.0f}", f"{rate / bare:.1f}")
    console.print(table)

    streaming = {**settings, "cache_mib": 0, "max_steps": _STEPS_IN_MEMORY_TEST}
    few, many = (_in_process("memory", streaming, scratch / name) for name in ("few", "many"))
    memory = Table(title="Peak memory of a training that keeps no pictures")
    for column in ("train pictures", "MiB", "ratio"):
        memory.add_column(column, justify="right")
    memory.add_row(f"{_NUM_IN_MEMORY_TEST:,}", f"{few:,.0f}", "1.00")
    memory.add_row(f"{10 * _NUM_IN_MEMORY_TEST:,}", f"{many:,.0f}", f"{many / few:.2f}")
    console.print(memory)


def _in_process(side: str, settings: dict[str, Any], folder: Path) -> float:
    command = [sys.executable, __file__, "--measure", side, json.dumps(settings), str(folder)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-4000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def _write_examples(folder: Path, num_files: int, input_px: int) -> None:
    """Writes toy dogs as Transform would, the same ones into every file."""
    first = folder / "part-00000.gz"
    folder.mkdir()
    command = [sys.executable, __file__, "--measure", "write", json.dumps(input_px), str(first)]
    subprocess.run(command, capture_output=True, check=True)
    for index in range(1, num_files):
        shutil.copyfile(first, folder / f"part-{index:05}.gz")


def _write(input_px: int, path: Path) -> None:
    import tensorflow as tf

    from ingestion.conversion import convert
    from ingestion.options import ConvertOptions
    from ingestion.records import decode_example, read_records
    from ingestion.toy_dogs.sample import write_sample
    from trainer.preprocessing.features import IMAGE_KEY, LABEL_KEY, transformed_name
    from trainer.preprocessing.image import ImageSpec, TransformConfig
    from trainer.preprocessing.transform import decode_picture, fit_picture, store

    image, transform = ImageSpec(height_px=input_px, width_px=input_px), TransformConfig()
    with tempfile.TemporaryDirectory() as scratch, tf.io.TFRecordWriter(str(path), "GZIP") as out:
        archive = write_sample(Path(scratch), per_breed=_PER_FILE // _NUM_BREEDS)
        dataset = convert(str(archive), Path(scratch, "records"), ConvertOptions())
        for shard in (*dataset.shards("train"), *dataset.shards("eval")):
            for record in read_records(shard):
                example = decode_example(record)
                picture = fit_picture(decode_picture(example[IMAGE_KEY]), image, transform)
                stored = tf.train.BytesList(value=[store(picture, transform).numpy()])
                label = tf.train.Int64List(value=_flat(example[LABEL_KEY]))
                features = {
                    transformed_name(IMAGE_KEY): tf.train.Feature(bytes_list=stored),
                    transformed_name(LABEL_KEY): tf.train.Feature(int64_list=label),
                }
                transformed = tf.train.Example(features=tf.train.Features(feature=features))
                out.write(transformed.SerializeToString())


def _flat(value: Any) -> list[int]:
    return [int(each) for each in value] if isinstance(value, Sequence) else [int(value)]


def _bare(settings: dict[str, Any], folder: Path) -> float:
    """Trains on arrays, with nothing around it. Returns pictures per second."""
    import keras
    import numpy as np

    from trainer.networks.registry import build_network
    from trainer.training.config import TrainerConfig
    from trainer.training.input import Split, eval_batches
    from trainer.training.optimizer import build_optimizer

    config = TrainerConfig.model_validate(settings)
    keras.utils.set_random_seed(config.seed)
    split = Split.find([str(folder / "*.gz")])
    batches = list(eval_batches(split, config.network.image, config, num_classes=_NUM_BREEDS))
    pictures, labels = (np.concatenate([batch[i] for batch in batches]) for i in (0, 1))
    network = build_network(config.network, _NUM_BREEDS)
    network.compile(
        optimizer=build_optimizer(config, split.num_steps(config.batch_size) * config.epochs),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    clock = _epoch_clock()
    network.fit(
        pictures,
        labels,
        batch_size=config.batch_size,
        epochs=config.epochs,
        callbacks=[clock],
        verbose=0,
    )
    return split.num_examples / statistics.median(clock.elapsed_s[1:])


def _epoch_clock() -> Any:
    import keras

    class EpochClock(keras.callbacks.Callback):
        """Seconds from one epoch's end to the next."""

        elapsed_s: list[float]

        def on_train_begin(self, logs: Any = None) -> None:
            """Starts."""
            self.elapsed_s, self._ended_at = [], time.monotonic()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Takes the time."""
            now = time.monotonic()
            self.elapsed_s.append(now - self._ended_at)
            self._ended_at = now

    return EpochClock()


def _ours(settings: dict[str, Any], folder: Path) -> float:
    """Trains as Trainer does. Returns pictures per second."""
    return _train(settings, folder)


def _memory(settings: dict[str, Any], folder: Path) -> float:
    """Trains as Trainer does. Returns the peak of resident memory in MiB."""
    _train(settings, folder)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB


def _train(settings: dict[str, Any], folder: Path) -> float:
    import keras
    import tensorflow as tf

    from trainer.pictures.evolution import DrawEvolution
    from trainer.training.config import TrainerConfig
    from trainer.training.input import Split, eval_batches
    from trainer.training.train import train

    config = TrainerConfig.model_validate(settings)
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    split, evaluation = Split.find([str(folder / "*.gz")]), Split.find([str(folder / "*-00000.gz")])
    batches = eval_batches(evaluation, config.network.image, config, num_classes=_NUM_BREEDS)
    [picture] = next(iter(batches))[0].numpy()[:1]
    clock = _epoch_clock()
    with tempfile.TemporaryDirectory() as scratch:
        work_dir = Path(scratch)
        train(
            config,
            split,
            evaluation,
            num_classes=_NUM_BREEDS,
            work_dir=work_dir,
            callbacks_for=lambda network, first_step: [
                DrawEvolution(
                    network, picture, config.pictures, work_dir / "logs", work_dir / "frames"
                ),
                clock,
            ],
        )
    middle = clock.elapsed_s[1:-1]  # the first epoch traces, the last one evaluates
    return split.num_examples / statistics.median(middle) if middle else 0.0


def _input(settings: dict[str, Any], folder: Path) -> float:
    """Draws batches and does nothing with them. Returns pictures per second of a later epoch."""
    from trainer.training.augment import Augmentation
    from trainer.training.config import TrainerConfig
    from trainer.training.input import Split, training_batches

    config = TrainerConfig.model_validate(settings)
    split, image = Split.find([str(folder / "*.gz")]), config.network.image
    steps = split.num_steps(config.batch_size)
    augmentation = Augmentation(config.augment, image, num_steps=2 * steps, seed=config.seed)
    batches = training_batches(
        split, image, config, num_classes=_NUM_BREEDS, augmentation=augmentation
    )
    started_at = 0.0
    for step, _ in enumerate(batches.take(2 * steps)):
        if step == steps:
            started_at = time.monotonic()
    return (steps - 1) * config.batch_size / (time.monotonic() - started_at)


_SIDES = {"write": _write, "bare": _bare, "ours": _ours, "memory": _memory, "input": _input}


if __name__ == "__main__":
    main()
