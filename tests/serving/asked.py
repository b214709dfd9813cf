"""What the clients are asked with, and how their answers are read."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from serving.client.load import Picture
from serving.client.options import ClientOptions
from serving.client.prediction import Prediction
from tests.pictures import encoded

Predict = Callable[[ClientOptions, list[Picture]], list[Prediction]]
COLOURS = ((250, 20, 10), (20, 250, 10), (10, 20, 250))


def plain_picture(colour: tuple[int, int, int], picture_format: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", (16, 12), colour), picture_format)


def noise_picture(side_px: int) -> bytes:
    """A picture that cannot be compressed."""
    return encoded(Image.effect_noise((side_px, side_px), 90).convert("RGB"), "BMP")


def best_breeds(predictions: list[Prediction]) -> list[str]:
    return [prediction.guesses[0].breed for prediction in predictions]
