from __future__ import annotations

from pathlib import Path

import pytest

from datasets.convert import convert
from datasets.dataset import Dataset
from datasets.options import ConvertOptions
from datasets.toy_dogs.sample import write_sample


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Records of 72 small toy dogs of six breeds."""
    scratch = tmp_path_factory.mktemp("records")
    archive = write_sample(scratch / "pictures", per_breed=12, size_px=48)
    return convert(str(archive), scratch / "records", ConvertOptions(eval_share=0.4))


def tiny_settings(root: Path) -> list[str]:
    """Overrides that make a run small: a tiny network, 48 steps, no lower bounds."""
    return [
        f"root={root}",
        "trainer.network.input_px=32",
        "trainer.network.width=8",
        "trainer.network.blocks=[1,1]",
        "trainer.epochs=8",
        "trainer.batch_size=8",
        "evaluator.min_accuracy=0",
        "evaluator.min_top_5_accuracy=0",
        "evaluator.max_accuracy_drop=1",
    ]
