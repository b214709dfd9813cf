"""Measures `dogbreed convert` against source system 1's way, side by side in one run.

System 1 converted one picture at a time: decode with TensorFlow, grey-scale, resize to 250 x 151,
raw bytes into TFRecords of 100. Here both do that over the same folder of photographs, in turns,
each in a process of its own; the best of the rounds counts, being what other work on the
machine disturbed least. Then memory is measured over growing sets.

    python benchmarks/convert.py --data stanford-dogs.tar

`--data` is any archive or folder of class folders; the figures in README.md are for photographs
whose shorter side has 224 pixels.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_DATA = ROOT.parent / "shared" / "data" / "stanford-dogs-train.tar"
GOAL_RATIO = 5.0
SYSTEM_1_SIZE = (250, 151)  # height and width that system 1 resized to
SHARD_SIZE = 100
MEMORY_COUNTS = (500, 2_000, 8_000)
_SAMPLE_EVERY_S = 0.02

SAME_OUTPUT = {"shorter_side_px": 151, "grayscale": True, "shard_size": SHARD_SIZE}
"""The options that come closest to system 1's records: as many pixels, but in proportion."""


def convert_like_system_1(source: Path, out: Path) -> dict[str, float]:
    """Converts one picture after the other, eagerly.

    Args:
        source: Folder of class folders.
        out: Folder for the records.

    Returns:
        Seconds of importing TensorFlow, and of the work itself.
    """
    started_at = time.perf_counter()
    import tensorflow as tf

    imported_at = time.perf_counter()
    writer: Any = None
    for index, file in enumerate(sorted(source.glob("*/*"))):
        if index % SHARD_SIZE == 0:
            if writer is not None:
                writer.close()
            writer = tf.io.TFRecordWriter(str(out / f"training-{index // SHARD_SIZE}.tfrecords"))
        picture = tf.io.decode_jpeg(tf.io.read_file(str(file)))
        grey = tf.image.rgb_to_grayscale(picture)
        resized = tf.image.resize(grey, SYSTEM_1_SIZE)
        pixels = tf.cast(resized, tf.uint8).numpy().tobytes()
        feature = {
            "label": tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[file.parent.name.encode()])
            ),
            "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[pixels])),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writer.write(example.SerializeToString())
    writer.close()
    ended_at = time.perf_counter()
    return {"import_s": imported_at - started_at, "work_s": ended_at - imported_at}


def convert_ours(source: Path, out: Path, options: dict[str, Any]) -> dict[str, float]:
    """Converts with `ingestion.conversion`, on all cores.

    Args:
        source: Folder of class folders.
        out: Folder to make.
        options: Fields of ConvertOptions.

    Returns:
        Seconds of importing, and of the work itself, the start of its processes included.
    """
    started_at = time.perf_counter()
    sys.path.insert(0, str(ROOT))
    from ingestion.conversion import ConvertOptions, convert

    imported_at = time.perf_counter()
    convert(str(source), out, ConvertOptions(**options))
    ended_at = time.perf_counter()
    return {"import_s": imported_at - started_at, "work_s": ended_at - imported_at}


def take_pictures(data: Path, count: int, folder: Path) -> Path:
    """Unpacks the first pictures, whole classes at a time.

    Args:
        data: Archive or folder of class folders.
        count: Number of pictures.
        folder: Where to make the folder.

    Returns:
        A folder of class folders.

    Raises:
        typer.BadParameter: If there are not as many.
    """
    sys.path.insert(0, str(ROOT))
    from ingestion.conversion import ConvertOptions
    from ingestion.sources.reader import Picture
    from ingestion.sources.readers import open_reader

    target = folder / f"pictures-{count}"
    reader = open_reader(str(data), ConvertOptions(), folder / f"listing-{count}")
    for index, picture in enumerate(reader.pictures()):
        if index == count:
            return target
        assert isinstance(picture, Picture)
        content = picture.content if isinstance(picture.content, bytes) else picture.content.read()
        file = target / picture.class_name / Path(picture.file_name).name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    raise typer.BadParameter(f"{data} holds fewer than {count:,} pictures.")


def run_child(way: str, source: Path, options: dict[str, Any], bytecode: Path) -> dict[str, float]:
    """Runs one conversion in a process of its own and watches its memory.

    Args:
        way: "system-1" or "ours".
        source: Folder of class folders.
        options: Fields of ConvertOptions, for "ours".
        bytecode: Folder for compiled modules, as an installed program has them.

    Returns:
        What the conversion returned, plus seconds of the whole process ("process_s") and the
        largest sum of resident memory of it and its workers ("peak_mib").
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        if way == "system-1":
            out.mkdir()
        environment = os.environ | {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPYCACHEPREFIX": str(bytecode),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, __file__, "--child", way, str(source), str(out)]
        started_at = time.perf_counter()
        process = subprocess.Popen(
            [*command, json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        peak_bytes = 0
        while process.poll() is None:
            peak_bytes = max(peak_bytes, sum(map(_resident_bytes, _family(process.pid))))
            time.sleep(_SAMPLE_EVERY_S)
        process_s = time.perf_counter() - started_at
        output = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"The conversion {way} failed: run it by hand: {' '.join(command)}")
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result | {"process_s": process_s, "peak_mib": peak_bytes / 2**20}


def _family(pid: int) -> list[int]:
    try:
        lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # ended meanwhile
        return []
    children = [int(child) for text in lists for child in text.split()]
    return [pid, *(member for child in children for member in _family(child))]


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def compare_speed(source: Path, count: int, rounds: int, console: Console) -> float:
    """Runs every way in turns and prints a table.

    Args:
        source: Folder of class folders.
        count: Number of pictures in it.
        rounds: How often to run each, after a first time that is not counted.
        console: Where to print.

    Returns:
        How many times faster than system 1 the same output is made, imports excluded.
    """
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "system 1: one at a time, 250x151 grey": ("system-1", {}),
        "dogbreed: shorter side 151, grey": ("ours", SAME_OUTPUT),
        "dogbreed: default options": ("ours", {}),
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    bytecode = source.parent / "bytecode"
    for index in range(rounds + 1):
        for name, (way, options) in ways.items():
            with console.status(f"Round {index} of {rounds}: {name}"):
                results[name].append(run_child(way, source, options, bytecode))
    for runs in results.values():
        del runs[0]
    best = {
        name: {key: min(run[key] for run in runs) for key in runs[0]}
        for name, runs in results.items()
    }
    base, same, _ = best.values()
    table = Table(title=f"Converting {count:,} photographs, best of {rounds} rounds")
    table.add_column("Way")
    columns = ("work s", "pictures/s", "ratio", "import s", "all in s", "ratio", "peak MiB")
    for column in columns:
        table.add_column(column, justify="right")
    for name, run in best.items():
        table.add_row(
            name,
            f"{run['work_s']:.2f}",
            f"{count / run['work_s']:,.0f}",
            f"{base['work_s'] / run['work_s']:.1f}",
            f"{run['import_s']:.2f}",
            f"{run['process_s']:.2f}",
            f"{base['process_s'] / run['process_s']:.1f}",
            f"{run['peak_mib']:,.0f}",
        )
    console.print(table)
    return base["work_s"] / same["work_s"]


def compare_memory(data: Path, folder: Path, console: Console) -> None:
    """Converts growing sets and prints the peak memory of each.

    Args:
        data: Archive or folder of class folders.
        folder: A scratch folder.
        console: Where to print.
    """
    table = Table(title="Peak memory, parent and workers together")
    for column in ("pictures", "peak MiB", "work s"):
        table.add_column(column, justify="right")
    for count in MEMORY_COUNTS:
        with console.status(f"{count:,} pictures"):
            source = take_pictures(data, count, folder)
            run = run_child("ours", source, SAME_OUTPUT, folder / "bytecode")
        table.add_row(f"{count:,}", f"{run['peak_mib']:,.0f}", f"{run['work_s']:.2f}")
    console.print(table)


def main(
    data: Annotated[Path, typer.Option(help="Archive or folder of photographs.")] = DEFAULT_DATA,
    pictures: Annotated[int, typer.Option(min=100, help="Photographs to convert.")] = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often to run each way.")] = 3,
    memory: Annotated[bool, typer.Option(help="Also measure memory over growing sets.")] = True,
) -> None:
    """Measures `dogbreed convert` against source system 1's way of converting."""
    console = Console(width=110)
    if not data.exists():
        console.print(f"{data} does not exist: name an archive of class folders with --data.")
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ratio = compare_speed(take_pictures(data, pictures, folder), pictures, rounds, console)
        if memory:
            compare_memory(data, folder, console)
    cores = len(os.sched_getaffinity(0))
    verdict = "met" if ratio >= GOAL_RATIO else "missed"
    console.print(f"{ratio:.1f} times as fast on {cores} cores; the goal of 5 is {verdict}.")


def _child(way: str, source: str, out: str, options: str) -> None:
    if way == "system-1":
        result = convert_like_system_1(Path(source), Path(out))
    else:
        result = convert_ours(Path(source), Path(out), json.loads(options))
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:])
    else:
        typer.run(main)
