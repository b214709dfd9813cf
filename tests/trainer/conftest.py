from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.trainer.drawn import BATCH, SHAPE, STEPS_PER_EPOCH


@pytest.fixture
def pictures() -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (STEPS_PER_EPOCH * BATCH, *SHAPE), dtype=np.uint8)
