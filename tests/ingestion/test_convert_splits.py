"""Who goes where, in which order, and that nothing but source and options decides it."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import DatasetError
from ingestion.conversion import convert
from ingestion.dataset import load_dataset
from ingestion.options import ConvertOptions
from ingestion.sources.fingerprint import source_fingerprint
from ingestion.workers import pool


def _names(records: list[dict[str, Any]]) -> list[bytes]:
    return [record["image/filename"] for record in records]


def test_number_and_kind_of_workers_change_no_byte(
    make_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_folders(beagle=70, pug=71, size=(34, 26))  # over two batches: processes are used
    outs = []
    for workers, start_method in ((1, "spawn"), (2, "spawn"), (3, "fork")):
        monkeypatch.setattr(pool, "_start_method", lambda method=start_method: method)
        options = ConvertOptions(workers=workers, shorter_side_px=20, shard_size=50)
        outs.append(tmp_path / f"out-{workers}")
        convert(str(source), outs[-1], options)

    files = sorted(p.relative_to(outs[0]) for p in outs[0].rglob("*") if p.is_file())
    assert len(files) == 5 + 3 + 1  # shards of 50 for 113 and 28 examples or so
    for other in outs[1:]:
        _, different, missing = filecmp.cmpfiles(
            outs[0], other, list(map(str, files)), shallow=False
        )
        assert (different, missing) == ([], [])
    assert load_dataset(outs[0]).fingerprint == load_dataset(outs[2]).fingerprint


def test_order_is_shuffled_over_all_classes_and_by_seed(
    make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(beagle=30, pug=30)
    orders = []
    for seed in (0, 1):
        options = ConvertOptions(seed=seed, split="every-5th")
        dataset = convert(str(source), tmp_path / f"out-{seed}", options)
        orders.append(_names(read_split(dataset, "train")))

    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    half = orders[0][: len(orders[0]) // 2]
    assert 0.2 < sum(name.startswith(b"pug") for name in half) / len(half) < 0.8


def test_hash_split_keeps_copies_together_and_adding_pictures_moves_none(
    make_folders: Any, make_picture: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(beagle=40, pug=40)
    for index in range(40):
        shutil.copy(source / f"pug/{index:03}.jpg", source / f"pug/copy-{index:03}.jpg")
    shutil.copy(source / "pug/000.jpg", source / "beagle/wrong.jpg")
    before = convert(str(source), tmp_path / "before", ConvertOptions())
    assert before.source_fingerprint == source_fingerprint(str(source), ConvertOptions())
    for index in range(30):
        (source / f"beagle/new-{index}.jpg").write_bytes(make_picture(1000 + index))
    after = convert(str(source), tmp_path / "after", ConvertOptions())

    assert before.findings == {"contradictory": 3, "copy": 78, "tiny": 121}
    train, evaluation = (set(_names(read_split(before, split))) for split in ("train", "eval"))
    assert 10 <= len(evaluation) <= 50  # a fifth of 121, in pairs
    for name in train:
        assert name.replace(b"pug/", b"pug/copy-") not in evaluation
    assert train <= set(_names(read_split(after, "train")))
    assert evaluation <= set(_names(read_split(after, "eval")))


def test_every_5th_takes_the_first_of_five_in_the_order_of_the_source(
    make_folders: Any, tmp_path: Path, read_split: Any
) -> None:
    source = make_folders(beagle=11, pug=5)
    options = ConvertOptions(split="every-5th", shard_size=4)

    dataset = convert(str(source), tmp_path / "out", options)

    assert set(_names(read_split(dataset, "eval"))) == {
        b"beagle/000.jpg", b"beagle/005.jpg", b"beagle/010.jpg", b"pug/000.jpg"
    }  # fmt: skip
    assert dataset.splits["train"].examples_per_class == {"beagle": 8, "pug": 4}
    assert [shard.name for shard in dataset.shards("train")] == [
        f"data-0000{index}-of-00003.tfrecord" for index in range(3)
    ]


def test_every_5th_is_filled_up_where_pictures_were_left_out(
    make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(beagle=20, pug=20)
    for index in (0, 5):
        (source / f"pug/{index:03}.jpg").write_bytes(b"text")
    options = ConvertOptions(split="every-5th", max_rejected_share=0.5)

    dataset = convert(str(source), tmp_path / "out", options)

    # At least 18 % of the 18 that are left.
    assert dataset.splits["eval"].examples_per_class == {"beagle": 4, "pug": 4}


def test_folds_hold_every_picture_once(make_folders: Any, tmp_path: Path, read_split: Any) -> None:
    source = make_folders(beagle=40, pug=40)

    dataset = convert(str(source), tmp_path / "out", ConvertOptions(folds=3))

    assert list(dataset.splits) == ["fold-0", "fold-1", "fold-2"]
    names = [name for fold in dataset.splits for name in _names(read_split(dataset, fold))]
    assert len(names) == len(set(names)) == 80
    assert min(split.num_examples for split in dataset.splits.values()) >= 12


def test_too_few_pictures_of_a_class_name_it_with_counts(make_folders: Any, tmp_path: Path) -> None:
    source = make_folders(beagle=40, pug=40)

    with pytest.raises(DatasetError, match=r"beagle has \d+ of 40 pictures for evaluation, fewer"):
        convert(str(source), tmp_path / "out", ConvertOptions(min_eval=20))


def test_source_fingerprint_follows_files_and_options_not_the_place(
    make_folders: Any, tmp_path: Path
) -> None:
    source = make_folders(beagle=3, pug=3)
    options = ConvertOptions()
    first = source_fingerprint(str(source), options)

    moved = source.rename(tmp_path / "elsewhere")
    assert source_fingerprint(str(moved), options) == first
    assert source_fingerprint(str(moved), ConvertOptions(workers=3)) == first
    assert source_fingerprint(str(moved), ConvertOptions(seed=1)) != first
    (moved / "pug/000.jpg").write_bytes(b"changed")
    assert source_fingerprint(str(moved), options) != first
