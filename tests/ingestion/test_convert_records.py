"""The records as the rest of the pipeline sees them: read by TensorFlow, described by a schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import DatasetError
from ingestion.conversion import convert
from ingestion.dataset import damaged_shard, load_dataset
from ingestion.options import ConvertOptions, Progress
from ingestion.records import read_records


def test_tensorflow_reads_what_was_written(
    make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    import tensorflow as tf
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    source = make_folders(**{"n02085620-Chihuahua": 7, "shiba_inu": 8})
    dataset = convert(str(source), tmp_path / "out", ConvertOptions(split="every-5th"))

    keys: dict[str, Any] = {
        "image/encoded": tf.string, "image/format": tf.string, "image/filename": tf.string,
        "image/height": tf.int64, "image/width": tf.int64,
        "image/class/text": tf.string, "image/class/label": tf.int64,
    }  # fmt: skip
    spec = {key: tf.io.FixedLenFeature([], kind) for key, kind in keys.items()}
    for split in ("train", "eval"):
        shards = [str(shard) for shard in dataset.shards(split)]
        serialized = list(tf.data.TFRecordDataset(shards).as_numpy_iterator())
        ours = read_split(dataset, split)
        assert len(serialized) == len(ours) > 0
        for record, expected in zip(serialized, ours, strict=True):
            parsed = tf.io.parse_single_example(record, spec)
            assert {key: value.numpy() for key, value in parsed.items()} == expected
            assert tf.io.decode_jpeg(parsed["image/encoded"]).shape == (12, 20, 3)
            # The same message, parsed by the class that TensorFlow defines in this process.
            example = tf.train.Example.FromString(record)
            assert set(example.features.feature) == set(keys)

    schema = text_format.Parse((tmp_path / "out/schema.pbtxt").read_text(), schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert features.keys() == keys.keys()
    assert list(features["image/class/text"].string_domain.value) == ["Chihuahua", "shiba inu"]
    assert features["image/class/label"].int_domain.max == 1
    assert (tmp_path / "out/labels.txt").read_text() == "Chihuahua\nshiba inu\n"


def test_damaged_shards_and_incomplete_copies_are_noticed(
    make_folders: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(DatasetError, match="holds no converted set"):
        load_dataset(out)
    dataset = convert(str(make_folders(pug=9, beagle=9)), out, ConvertOptions(split="every-5th"))
    assert load_dataset(out) == dataset
    assert damaged_shard(dataset) is None

    shard = dataset.shards("train")[0]
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged or cut short"):
        list(read_records(shard))
    assert damaged_shard(dataset) == shard
    shard.unlink()
    with pytest.raises(DatasetError, match=r"lacks data-00000-of-00001.tfrecord"):
        load_dataset(out)
    (out / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match="damaged or of another version"):
        load_dataset(out)


def test_progress_counts_up_to_the_total(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(pug=40, beagle=40)
    (source / "pug/000.jpg").write_bytes(b"words")
    reports: list[Progress] = []

    convert(str(source), tmp_path / "out", ConvertOptions(workers=1), reports.append)

    assert reports[0] == Progress("Listing pictures", 0, None, 0)
    assert [each.done for each in reports if each.stage == "Listing pictures"] == [0, 50]
    converting = [report.done for report in reports if report.stage == "Converting pictures"]
    assert converting == [32, 64, 80]
    assert reports[-1] == Progress("Writing shards", 79, 79, 1)


def test_importing_the_converter_loads_no_tensorflow() -> None:
    code = (
        "import sys; from ingestion import convert; "
        "print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["False", "False"]
