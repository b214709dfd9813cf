"""The deployment's pod, played by podman with our own model server, answers a gRPC Predict."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.kubernetes.manifests import ROOT
from tests.serving.exported_model import BREEDS, Exporter

pytestmark = pytest.mark.slow

_IMAGE = os.environ.get("DOGBREED_IMAGE", "")


def test_the_pod_answers_predict_over_grpc(tmp_path: Path, photograph: Image.Image) -> None:
    if not _IMAGE:
        pytest.skip("DOGBREED_IMAGE names no image: 'dogbreed image build' makes one")
    for program in ("podman", "kubectl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if subprocess.run(["podman", "image", "exists", _IMAGE], check=False).returncode != 0:
        pytest.skip(f"there is no image {_IMAGE}")
    jpeg = io.BytesIO()
    photograph.save(jpeg, "JPEG")
    version = Exporter(tmp_path, jpeg.getvalue()).write(tmp_path / "served", 3, seed=1)
    samples = version / "assets.extra" / "samples"
    samples.mkdir(parents=True)
    for number in range(2):
        (samples / f"{number}.jpg").write_bytes(jpeg.getvalue())

    played = subprocess.run(
        [ROOT / "kubernetes/try-serving-pod.sh", tmp_path / "served", _IMAGE],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert played.returncode == 0, played.stdout + played.stderr
    answers = list(csv.DictReader(io.StringIO(played.stdout[played.stdout.index("file,") :])))
    assert [answer["model_version"] for answer in answers] == ["3", "3"]
    assert {answer["breed_1"] for answer in answers} <= set(BREEDS)
