"""`dogbreed predict` and our own model server, as two processes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image

from tests.pictures import encoded

pytestmark = pytest.mark.slow

_DOGBREED = Path(sys.executable).with_name("dogbreed")
_PATIENCE_S = 120
BREEDS = ("Red Setter", "Greenland Dog", "Blue Lacy")


class _Colours(tf.Module):
    """Names the breed by the mean colour of a picture."""

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="pictures")], autograph=False
    )
    def serving_default(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        def mean_colour(data: tf.Tensor) -> tf.Tensor:
            picture = tf.io.decode_image(data, channels=3, expand_animations=False)
            return tf.reduce_mean(tf.cast(picture, tf.float32), axis=(0, 1)) / 255

        colours = tf.map_fn(mean_colour, pictures, fn_output_signature=tf.TensorSpec((3,)))
        top = tf.math.top_k(tf.nn.softmax(5 * colours), k=3)
        return {"breeds": tf.gather(tf.constant(BREEDS), top.indices), "probabilities": top.values}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    base_path = tmp_path_factory.mktemp("models") / "dogbreed"
    model = _Colours()
    tf.saved_model.save(
        model, str(base_path / "3"), signatures={"serving_default": model.serving_default}
    )
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "serving.model_server", f"--port={port}",
         "--model_name=dogbreed", f"--model_base_path={base_path}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"localhost:{port}"
    server.terminate()
    server.wait(_PATIENCE_S)


def test_served_model_names_the_breeds_of_all_but_bad_pictures(
    address: str, tmp_path: Path
) -> None:
    for name, colour in (("a.png", (250, 0, 0)), ("b.webp", (0, 250, 0)), ("d.jpg", (0, 0, 250))):
        picture_format = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG"}[Path(name).suffix]
        (tmp_path / name).write_bytes(encoded(Image.new("RGB", (90, 60), colour), picture_format))
    whole = encoded(Image.effect_noise((99, 99), 50).convert("RGB"), "JPEG")
    (tmp_path / "c.jpg").write_bytes(whole[: len(whole) // 2])

    done = subprocess.run(
        [_DOGBREED, "predict", "--server", address, "--json", "--wait", str(_PATIENCE_S),
         "--timeout", str(_PATIENCE_S), tmp_path],
        capture_output=True, text=True, timeout=2 * _PATIENCE_S, check=False,
    )  # fmt: skip

    entries = {Path(entry["file"]).name: entry
               for entry in map(json.loads, done.stdout.splitlines())}  # fmt: skip
    named = {name: entry["predictions"][0]["breed"]
             for name, entry in entries.items() if "error" not in entry}  # fmt: skip
    assert named == {"a.png": BREEDS[0], "b.webp": BREEDS[1], "d.jpg": BREEDS[2]}, done.stderr
    assert entries["a.png"]["model_version"] == 3
    assert entries["c.jpg"]["error"].startswith("the server refuses it: ")
    assert done.returncode == 1


def test_model_that_is_not_served_is_one_clear_line(address: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (9, 9)), "PNG"))

    done = subprocess.run(
        [_DOGBREED, "predict", "--server", address, "--model", "cats",
         tmp_path / "a.png"],
        capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: The server at {address} does not serve model 'cats': ")
    assert done.stderr.count("\n") == 1
