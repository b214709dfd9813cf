"""The canary with real model servers: what it blesses, and what it says of what it does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from PIL import Image
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.canary.component import Canary, NotJudgedError
from components.pusher.component import PusherExecutor
from foundation.names import CANARY_LOG_FILE, CANARY_RESULT_FILE
from foundation.versions import list_versions
from tests.pictures import encoded
from trainer.preprocessing.transform import decode_picture

pytestmark = pytest.mark.slow

BREEDS = ("Chow", "Pug", "Whippet")
Try = Callable[..., standard_artifacts.InfraBlessing]


class Honest(tf.Module):
    """Names a breed by the mean of each colour."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def __call__(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        pictures = tf.ensure_shape(pictures, (None,))
        means = tf.map_fn(
            lambda each: tf.reduce_mean(tf.cast(decode_picture(each), tf.float32), (0, 1)),
            pictures,
            fn_output_signature=tf.TensorSpec((3,), tf.float32),
        )
        top = tf.math.top_k(tf.nn.softmax(means / 50), k=3)
        return {"breeds": tf.gather(BREEDS, top.indices), "probabilities": top.values}


class Careless(tf.Module):
    """Names a breed whatever it is given, and not always the same."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def __call__(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = tf.random.uniform((tf.size(pictures), 3), maxval=9)
        top = tf.math.top_k(tf.nn.softmax(logits), k=3)
        return {"breeds": tf.gather(BREEDS, top.indices), "probabilities": top.values}


@pytest.fixture
def try_out(tmp_path: Path, photograph: Image.Image) -> Try:
    """Returns a function that has the canary try a model."""
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(tmp_path / "examples"), json.dumps(["train", "eval"])
    (tmp_path / "examples" / "Split-eval").mkdir(parents=True)
    shard = tmp_path / "examples" / "Split-eval" / "data-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(shard), "GZIP") as writer:
        for turn in range(5):
            example = tf.train.Example()
            jpeg = encoded(photograph.rotate(70 * turn), "JPEG")
            example.features.feature["image/encoded"].bytes_list.value.append(jpeg)
            writer.write(example.SerializeToString())
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    model_blessing = standard_artifacts.ModelBlessing()
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(tmp_path / "blessing")

    def do(
        module: tf.Module, *, blessed: bool = True, **options: Any
    ) -> standard_artifacts.InfraBlessing:
        tf.saved_model.save(module, path_utils.serving_model_dir(model.uri), module.__call__)
        model_blessing.set_int_custom_property("blessed", int(blessed))
        Canary.test_call(
            examples=examples,
            model=model,
            model_blessing=model_blessing,
            blessing=blessing,
            **{
                "num_examples": 4,
                "max_latency_ms": 60_000.0,
                "start_timeout_s": 120.0,
                "call_timeout_s": 60.0,
                "code": "",
                "attempt": 0,
                **options,
            },
        )
        return blessing

    return do


@pytest.fixture
def install_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Returns a function that installs a shell script as TensorFlow Serving."""

    def install(script: str) -> None:
        program = tmp_path / "bin" / "tensorflow_model_server"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return install


def _found(blessing: standard_artifacts.InfraBlessing) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(blessing.uri, CANARY_RESULT_FILE).read_text())
    return found


def _is_blessed(blessing: standard_artifacts.InfraBlessing) -> bool:
    return blessing.get_int_custom_property("blessed") == 1


def test_model_that_is_served_as_it_should_is_blessed(try_out: Try) -> None:
    blessing = try_out(Honest())

    found = _found(blessing)
    assert found["misses"] == []
    assert _is_blessed(blessing)
    assert found["num_pictures"] == 4
    assert 0 < found["median_ms"] <= found["latency_ms"]
    assert "Successfully loaded" in Path(blessing.uri, CANARY_LOG_FILE).read_text()


def test_model_that_answers_too_late_is_refused_by_its_bound(try_out: Try) -> None:
    blessing = try_out(Honest(), max_latency_ms=0.001)

    [miss] = _found(blessing)["misses"]
    assert miss.startswith("latency ")
    assert " ms of 99 in 100 single pictures misses its bound 0.001 ms by " in miss
    assert not _is_blessed(blessing)


def test_model_that_answers_anything_with_anything_is_refused(try_out: Try) -> None:
    blessing = try_out(Careless())

    differing, *hostile = _found(blessing)["misses"]
    # Not of how many: chance may repeat itself.
    assert "of 4 eval pictures differ from the model's own by up to 0." in differing
    assert "the model server gives an answer to text where INVALID_ARGUMENT is right" in hostile
    assert any("declares 900 megapixels" in miss for miss in hostile)
    assert not _is_blessed(blessing)


def test_server_that_ends_is_named_with_its_last_words(
    try_out: Try, install_server: Callable[[str], None]
) -> None:
    install_server("echo The flag is unknown >&2; exit 3")

    blessing = try_out(Honest())

    assert _found(blessing)["misses"] == [
        "the model server ended with code 3 instead of serving the model: The flag is unknown"
    ]
    assert Path(blessing.uri, CANARY_LOG_FILE).read_text() == "The flag is unknown\n"
    assert not _is_blessed(blessing)


def test_server_that_never_serves_is_stopped_twice_and_no_verdict_on_the_model(
    try_out: Try, install_server: Callable[[str], None], tmp_path: Path
) -> None:
    install_server(f"echo $$ >> {tmp_path}/pids; exec sleep 600")

    with pytest.raises(NotJudgedError) as raised:
        try_out(Honest(), start_timeout_s=1.0)

    assert str(raised.value) == (
        "the model was not judged, neither blessed nor refused: the model server did not serve it "
        "within 1 s, tried twice. Run again when the machine is less busy, or wait longer: --set "
        "canary.start_timeout_s=SECONDS."
    )
    assert not (tmp_path / "blessing" / CANARY_RESULT_FILE).exists()
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2
    assert not any(Path("/proc", pid).exists() for pid in pids)


def test_server_that_is_slow_once_is_tried_again(
    try_out: Try, install_server: Callable[[str], None], tmp_path: Path
) -> None:
    install_server(
        f"if mkdir {tmp_path}/slow; then exec sleep 600; fi\n"
        f'exec {sys.executable} -m serving.model_server "$@"'
    )

    blessing = try_out(Honest(), start_timeout_s=40.0)

    assert _found(blessing)["misses"] == []
    assert _is_blessed(blessing)


def test_answer_that_does_not_come_is_no_verdict_on_the_model(try_out: Try) -> None:
    with pytest.raises(NotJudgedError, match=r"not answered within 1e-05 s, .*call_timeout_s="):
        try_out(Honest(), call_timeout_s=1e-5)


def test_model_that_the_evaluator_refused_is_not_tried(
    try_out: Try, install_server: Callable[[str], None], tmp_path: Path
) -> None:
    install_server(f"touch {tmp_path}/started")

    blessing = try_out(Honest(), blessed=False)

    assert not _is_blessed(blessing)
    assert list(Path(blessing.uri).iterdir()) == []
    assert not (tmp_path / "started").exists()


def test_pusher_pushes_only_what_the_canary_blessed(tmp_path: Path) -> None:
    model, infra_blessing = standard_artifacts.Model(), standard_artifacts.InfraBlessing()
    model.uri = str(tmp_path / "model")
    Path(path_utils.serving_model_dir(model.uri)).mkdir(parents=True)
    Path(path_utils.serving_model_dir(model.uri), "saved_model.pb").touch()
    served = tmp_path / "served"
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(served))
    )

    versions = []
    for blessed in (0, 1):
        infra_blessing.set_int_custom_property("blessed", blessed)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        PusherExecutor(BaseExecutor.Context(tmp_dir=str(tmp_path))).Do(
            {"model": [model], "infra_blessing": [infra_blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": proto_utils.proto_to_json(destination)},
        )
        versions.append(len(list_versions(served)))

    assert versions == [0, 1]


_SCRIPT = """
import sys
from pathlib import Path
from components.canary.server import child_server
with child_server(sys.argv[1], Path(sys.argv[1]), start_timeout_s=600, call_timeout_s=60):
    pass
"""


def test_killed_canary_leaves_no_server_behind(
    install_server: Callable[[str], None], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    install_server(f"echo $$ > {pid_file}.part; mv {pid_file}.part {pid_file}; exec sleep 600")
    canary = subprocess.Popen([sys.executable, "-c", _SCRIPT, str(tmp_path)])
    assert any(pid_file.exists() for _ in _patiently(canary))
    server = Path("/proc", pid_file.read_text().strip())
    assert server.exists()

    canary.send_signal(signal.SIGKILL)
    canary.wait()

    assert any(not server.exists() or "(zombie)" in _status(server) for _ in _patiently())


def _status(process: Path) -> str:
    try:
        return (process / "status").read_text()
    except OSError:
        return "(zombie)"


def _patiently(process: subprocess.Popen[bytes] | None = None) -> Iterator[None]:
    for _ in range(1200):
        assert process is None or process.poll() is None
        yield
        time.sleep(0.1)
