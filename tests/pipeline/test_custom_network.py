"""A network of the user's own in the pipeline: its code decides what is trained again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from foundation.errors import UserError
from ingestion.dataset import Dataset
from pipeline.config.load import load_config
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from pipeline.plan import make_plan
from tests.conftest import WriteModule
from tests.pipeline.conftest import tiny_settings

_MODULE = """
import keras
from keras import layers

def build(input_shape, num_classes):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(num_classes),
        ]
    )
"""


def test_code_of_own_functions_is_part_of_the_recipe_even_if_only_a_search_names_it(
    write_module: WriteModule,
) -> None:
    module = write_module("my_network", _MODULE)
    package = write_module("my_package/part", "width = 3")
    own = ["trainer.network=custom", "trainer.network.build=my_network:build"]
    searched = [*own, "tuner.space.network.build.choices=['my_network:build', 'my_package.a:b']"]

    def recipes() -> tuple[str, str, str]:
        first, second, third = (
            make_plan(load_config(None, settings), None).recipe for settings in ([], own, searched)
        )
        return first, second, third

    before = recipes()
    module.write_text(module.read_text().replace("Conv2D(8", "Conv2D(12"))
    module_changed = recipes()
    package.write_text("width = 4")
    package_changed = recipes()

    assert [one == other for one, other in zip(before, module_changed, strict=True)] == [
        True, False, False
    ]  # fmt: skip
    assert [one == other for one, other in zip(module_changed, package_changed, strict=True)] == [
        True, True, False
    ]  # fmt: skip


def test_module_that_is_not_there_is_named_before_anything_is_compiled() -> None:
    own = ["trainer.network=custom", "trainer.network.build=gone:build"]

    with pytest.raises(UserError, match="gone:build: there is no module gone"):
        make_plan(load_config(None, own), None)


@pytest.mark.slow
@pytest.mark.long
def test_pipeline_trains_and_pushes_it_and_trains_again_when_its_code_changes(
    tmp_path: Path, write_module: WriteModule, records: Dataset
) -> None:
    module = write_module("my_network", _MODULE)
    settings = [each for each in tiny_settings(tmp_path) if "network" not in each]
    own = ["trainer.network={name: custom, input_px: 32, build: 'my_network:build'}"]

    def start(*overrides: str) -> FinishedRun:
        config = load_config(None, [*settings, *own, *overrides], source=str(records.path))
        return run(config, Console(file=io.StringIO(), width=160))

    first = start()
    again = start()
    module.write_text(module.read_text().replace("Conv2D(8", "Conv2D(12"))
    changed = start()
    with pytest.raises(UserError, match="my_network:build cannot be called"):
        start("trainer.network.settings.depth=3")

    assert first.outcome.pushed_path is not None
    assert first.report_path is not None
    report = first.report_path.read_text()
    assert "(Grad-CAM)" in report
    assert "is not shown" not in report
    assert set(again.display.nodes.values()) == {NodeStatus.REUSED}
    assert changed.display.nodes["Transform"] is NodeStatus.REUSED
    assert changed.display.nodes["Trainer"] is NodeStatus.RAN
