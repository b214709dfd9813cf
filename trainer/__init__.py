"""What is learned: networks, preprocessing, training and export.

What a program needs is offered here; docs/python.md has an example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.lazy import lazily

if TYPE_CHECKING:
    from trainer.networks.registry import build_network as build_network
    from trainer.preprocessing.image import ImageSpec as ImageSpec
    from trainer.training.config import TrainerConfig as TrainerConfig

__getattr__ = lazily(
    __name__,
    {
        "ImageSpec": ".preprocessing.image",
        "TrainerConfig": ".training.config",
        "build_network": ".networks.registry",
    },
)
