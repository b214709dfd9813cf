"""Transfer learning in the pipeline: from a file with a backbone to a pushed model."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import tensorflow as tf
from rich.console import Console

from foundation.errors import UserError
from ingestion.dataset import Dataset
from pipeline.config.load import load_config
from pipeline.local.run_pipeline import FinishedRun, run
from tests.pipeline.conftest import tiny_settings
from tests.trainer.own_backbone import write_backbone

pytestmark = pytest.mark.slow


def _run(root: Path, backbone: Path, data: str, *overrides: str) -> tuple[FinishedRun, str]:
    settings = [each for each in tiny_settings(root) if "network" not in each]
    network = f"{{name: transfer, backbone: {backbone}, frozen_fraction: 1}}"
    config = load_config(None, [*settings, f"trainer.network={network}", *overrides], source=data)
    said = io.StringIO()
    return run(config, Console(file=said, width=160)), said.getvalue()


def test_backbone_of_ones_own_is_trained_upon_and_pushed_without_its_file(
    tmp_path: Path, records: Dataset
) -> None:
    write_backbone(tmp_path / "own.keras")

    finished, _ = _run(tmp_path / "run", tmp_path / "own.keras", str(records.path))

    (tmp_path / "own.keras").unlink()
    assert finished.outcome.pushed_path is not None
    assert finished.report_path is not None
    report = finished.report_path.read_text()
    assert "(Grad-CAM)" in report
    assert "Stanford Dogs is drawn from ImageNet" in report
    assert not list((tmp_path / "run" / "checkpoints").rglob("features.npy"))
    model = tf.saved_model.load(str(finished.outcome.pushed_path))
    picture = tf.io.encode_jpeg(tf.zeros((40, 50, 3), tf.uint8))
    answer = model.signatures["serving_default"](tf.stack([picture]))
    assert {len(value) for value in answer.values()} == {1}


def test_file_of_another_backbone_is_refused_before_any_node_runs(
    tmp_path: Path, records: Dataset
) -> None:
    write_backbone(tmp_path / "own.keras").save_weights(tmp_path / "own.weights.h5")
    weights = f"trainer.network.weights={tmp_path / 'own.weights.h5'}"

    with pytest.raises(UserError, match="does not hold the weights of MobileNet without its top"):
        _run(
            tmp_path / "run", Path("MobileNet"), str(records.path), weights,
            "trainer.network.input_px=32",
        )  # fmt: skip

    assert not (tmp_path / "run" / "artifacts").exists()
