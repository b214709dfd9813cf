from __future__ import annotations

import os

# Before TensorFlow is imported anywhere: its start-up notes would drown the tests' own output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photograph() -> Image.Image:
    """A lopsided picture with smooth colour and texture, as a photograph has: 90 wide, 61 high."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:61, 0:90]
    smooth = np.stack([x * 2, y * 4, (x + y)], axis=-1) % 256
    noisy = smooth + rng.normal(0, 6, smooth.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
