"""Whether a backbone's weights can be had, found out before anything that takes minutes.

Nothing here imports Keras. That a file holds the weights of that very backbone, layer by layer, is
seen only when the network is built; what is found here are the mistakes that people make.
"""

from __future__ import annotations

import math
import os
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from foundation.errors import UsageError, UserError
from trainer.networks.base import NetworkSettings
from trainer.networks.transfer.backbones import PublishedWeights, published_weights
from trainer.networks.transfer.keras_file import read_keras_file
from trainer.networks.transfer.network import TransferConfig

_TIMEOUT_S = 5.0
_BLOCK = 1 << 20
_COLOURS = 3
_KEPT_WEIGHTS = "model.weights.h5"  # within a .keras file


def check_weights(network: NetworkSettings) -> str:
    """Makes sure that the weights of a network's backbone can be had.

    Args:
        network: the settings of any network.

    Returns:
        Where they are, or come from, in a sentence.

    Raises:
        UserError: a file is missing, unreadable or something else, or the weights would have to
            be downloaded, and cannot be.
    """
    if not isinstance(network, TransferConfig):
        return f"The network {network.name} starts from no weights."
    if network.weights_file is not None:
        return _check_file(network, network.weights_file)
    if not network.from_imagenet:
        return f"{network.backbone} starts from random weights."
    published = published_weights(network.backbone, network.input_px)
    kept = keras_folder() / published.file_name
    if kept.is_file():
        return f"The ImageNet weights of {network.backbone} are in {kept}."
    try:
        with urllib.request.urlopen(_head(published.address), timeout=_TIMEOUT_S):
            return (
                f"Keras will download the ImageNet weights of {network.backbone} from "
                f"{published.address} to {kept}."
            )
    except OSError as error:
        raise UserError(_by_hand(network.backbone, published, kept, error)) from None


def fetch_weights(
    network: TransferConfig, folder: Path | None, report: Callable[[int, int | None], None]
) -> Path:
    """Downloads the ImageNet weights of a backbone of keras.applications, if they are not there.

    Args:
        network: names the backbone and the size of its pictures.
        folder: where to; None means where Keras looks for them.
        report: called with the bytes that are there and how many there are in all.

    Returns:
        The file.

    Raises:
        UserError: they cannot be downloaded.
    """
    published = published_weights(network.backbone, network.input_px)
    path = (folder or keras_folder()) / published.file_name
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".half-{path.name}")
    try:
        with urllib.request.urlopen(published.address, timeout=_TIMEOUT_S) as answer:
            length = answer.headers.get("Content-Length")
            total = None if length is None else int(length)
            done = 0
            with half.open("wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    report(done := done + len(block), total)
        if total is not None and done != total:
            raise OSError(f"the connection ended after {done:,} of {total:,} bytes")
        os.replace(half, path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UserError(
            _by_hand(network.backbone, published, keras_folder() / published.file_name, error)
        ) from None
    return path


def keras_folder() -> Path:
    """Returns the folder in which Keras keeps what it downloads, as Keras itself finds it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"], "models")
    home = Path.home()
    return Path(home if os.access(home, os.W_OK) else "/tmp", ".keras", "models")


def _head(address: str) -> urllib.request.Request:
    return urllib.request.Request(address, method="HEAD")


def _by_hand(backbone: str, published: PublishedWeights, kept: Path, error: OSError) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, OSError):
        reason = reason.strerror or reason
    return (
        f"The ImageNet weights of {backbone} are not on this machine, and cannot be downloaded: "
        f"{reason}. Fetch {published.address} on another one ('dogbreed weights fetch --to FOLDER' "
        f"does), and put it where Keras looks, {kept}, or name it with "
        "trainer.network.weights=FILE."
    )


def _check_file(network: TransferConfig, path: Path) -> str:
    key = "backbone" if network.is_file else "weights"
    if not path.is_file():
        alternatives = "" if network.is_file else "; 'imagenet' and 'none' are the alternatives"
        raise UsageError(
            f"There is no file {path}, which trainer.network.{key} names{alternatives}."
        )
    try:
        scaled = read_keras_file(path).scales_pixels if network.is_file else True
        num_values = _count_values(path)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(
            f"trainer.network.{key}: {path} holds no weights that Keras could load: {error}."
        ) from None
    if not scaled and network.scaling is None:
        raise UserError(
            f"{path} does not scale its pixels, so they must come scaled: set "
            "trainer.network.scaling to tf for [-1, 1], zero_to_one, torch or caffe, or to inside "
            "if it learned from [0, 255]."
        )
    return f"{path} holds {num_values:,} weights for {network.backbone}."


def _count_values(path: Path) -> int:
    """Counts the numbers in a file of weights.

    Raises:
        ValueError: there is no convolution of a picture's three colours among them.
    """
    import h5py

    if path.suffix == ".keras":
        with ZipFile(path) as archive:
            source: BytesIO | Path = BytesIO(archive.read(_KEPT_WEIGHTS))
    else:
        source = path
    shapes: list[tuple[int, ...]] = []

    def note(name: str, each: object) -> None:
        if isinstance(each, h5py.Dataset):
            shapes.append(each.shape)

    with h5py.File(source, "r") as file:
        file.visititems(note)
    if not any(len(shape) == 4 and shape[2] == _COLOURS for shape in shapes):
        raise ValueError("no convolution of three colours is among them")
    return sum(math.prod(shape) for shape in shapes)
