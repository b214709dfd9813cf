"""Wall time of a tiny run, and bytes of a transformed example, against TFX's own style.

Both sides run the same DAG over the same 200 records (4 breeds), train the same network for the
same epochs in a process of their own, and end with a pushed model. The other side is
`tfx_style_pipeline.py`: module_file, float image features, default Beam options. It has neither
Canary nor Report, so that ours is measured without them, and with them as it comes.

Usage: python benchmarks/tiny_run.py [--epochs 3] [--rounds 2]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ingestion.conversion import convert
from ingestion.dataset import Dataset
from ingestion.options import ConvertOptions
from ingestion.toy_dogs.sample import write_sample

_HERE = Path(__file__).parent
_SAME_NODES = {"canary.enabled": "false", "report.enabled": "false"}
_PER_BREED = 50
_BREEDS = ("Toy Beagle", "Toy Poodle", "Toy Husky", "Toy Spaniel")


def main() -> None:
    """Measures both sides, alternating, and prints them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3, help="epochs on both sides")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each side; the best counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        dataset = _records(Path(scratch))
        ours_s, whole_s, theirs_s = [], [], []
        for index in range(arguments.rounds):
            ours_root, whole_root, theirs_root = (
                Path(scratch, f"{side}{index}") for side in ("ours", "whole", "tfx")
            )
            ours_s.append(_timed(_ours(dataset, ours_root, arguments.epochs, _SAME_NODES)))
            whole_s.append(_timed(_ours(dataset, whole_root, arguments.epochs, {})))
            theirs_s.append(_timed(_theirs(dataset, theirs_root, arguments.epochs)))
        ours_bytes = _bytes_per_example(ours_root)
        theirs_bytes = _bytes_per_example(theirs_root)

    table = Table(title=f"4 breeds, {4 * _PER_BREED} pictures, {arguments.epochs} epochs")
    for column in ("", "TFX style", "dogbreed", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for name, seconds in (("wall time, s", ours_s), ("with Canary and Report, s", whole_s)):
        best = min(theirs_s), min(seconds)
        table.add_row(name, f"{best[0]:.1f}", f"{best[1]:.1f}", f"{best[1] / best[0]:.2f}")
    table.add_row(
        "serialized bytes per transformed example",
        f"{theirs_bytes[0]:,.0f}",
        f"{ours_bytes[0]:,.0f}",
        f"{ours_bytes[0] / theirs_bytes[0]:.3f}",
    )
    table.add_row(
        "the same on disk, gzip",
        f"{theirs_bytes[1]:,.0f}",
        f"{ours_bytes[1]:,.0f}",
        f"{ours_bytes[1] / theirs_bytes[1]:.3f}",
    )
    Console(width=100).print(table)


def _records(scratch: Path) -> Dataset:
    archive = write_sample(scratch / "pictures", per_breed=_PER_BREED)
    return convert(str(archive), scratch / "records", ConvertOptions(breeds=_BREEDS))


def _ours(dataset: Dataset, root: Path, epochs: int, more: Mapping[str, object]) -> list[str]:
    settings = {
        **more,
        "root": root,
        "trainer.epochs": epochs,
        "evaluator.report_only": "true",
    }
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    dogbreed = Path(sys.executable).with_name("dogbreed")
    return [str(dogbreed), "run", "--data", str(dataset.path), *overrides]


def _theirs(dataset: Dataset, root: Path, epochs: int) -> list[str]:
    script = _HERE / "tfx_style_pipeline.py"
    return [sys.executable, str(script), str(dataset.path), str(root), str(epochs)]


def _timed(command: list[str]) -> float:
    started_at = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    elapsed_s = time.monotonic() - started_at
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    print(f"{Path(command[1]).name}: {elapsed_s:.1f} s", flush=True)
    return elapsed_s


def _bytes_per_example(root: Path) -> tuple[float, float]:
    """Returns mean bytes of a transformed example, serialized and as its share of the files."""
    import tensorflow as tf

    files = [
        str(path) for path in root.glob("artifacts/Transform/transformed_examples/*/Split-*/*.gz")
    ]
    sizes = [len(record.numpy()) for record in tf.data.TFRecordDataset(files, "GZIP")]
    return sum(sizes) / len(sizes), sum(Path(name).stat().st_size for name in files) / len(sizes)


if __name__ == "__main__":
    main()
