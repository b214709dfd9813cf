"""The pipeline with a hyper-parameter search in it, on tiny records; mistakes in its settings."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from foundation.errors import UserError
from ingestion.dataset import Dataset
from pipeline.cli.train.run import report_run
from pipeline.cli.train.settings import show_settings
from pipeline.config.load import load_config
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from tests.pipeline.conftest import tiny_settings
from trainer.tuning.config import SearchedSetting, TunerConfig

pytestmark = [pytest.mark.slow, pytest.mark.long]

RunTiny = Callable[..., tuple[FinishedRun, str]]

# In the order of the grid: the second trial's loss is infinite from its first step.
_PENALTIES = (0.0, 1e38, 1e-3)
_RATE = 0.02
_SEARCH = (
    "trainer.epochs=2",
    "tuner.algorithm=grid",
    "tuner.trials=3",
    "tuner.epochs=1",
    f"tuner.space.learning_rate.choices=[{_RATE}]",
    f"tuner.space.l2.choices={list(_PENALTIES)}",
)


@pytest.fixture(scope="module")
def run_tiny(tmp_path_factory: pytest.TempPathFactory, records: Dataset) -> RunTiny:
    """Runs the pipeline with the search; returns the run and what the terminal said of it."""
    root = tmp_path_factory.mktemp("root")

    def start(*overrides: str) -> tuple[FinishedRun, str]:
        console = Console(file=io.StringIO(), width=160)
        settings = [*tiny_settings(root), *_SEARCH, *overrides]
        config = load_config(None, settings, source=str(records.path))
        finished = run(config, console)
        report_run(config, finished, console)
        return finished, console.file.getvalue()  # type: ignore[attr-defined]

    return start


@pytest.fixture(scope="module")
def first(run_tiny: RunTiny) -> tuple[FinishedRun, str]:
    return run_tiny()


@pytest.mark.slow
def test_pushed_model_was_trained_with_the_best_trials_values(
    first: tuple[FinishedRun, str],
) -> None:
    finished, said = first
    best = finished.outcome.best_trial
    assert best is not None
    assert finished.outcome.pushed_path is not None
    about = json.loads((finished.outcome.pushed_path / "assets.extra/dogbreed.json").read_text())

    values = best.hyperparameters["values"]
    assert about["trainer"]["learning_rate"] == values["learning_rate"] == _RATE
    assert about["trainer"]["l2"] == values["l2"]
    assert values["l2"] in (_PENALTIES[0], _PENALTIES[2])
    assert about["trainer"]["epochs"] == 2
    [line] = [line for line in said.splitlines() if line.startswith("Best trial")]
    assert f"{best.score:.3f}" in line
    assert f"eval accuracy, the best of 2 with l2 {values['l2']:.3g}, learning_rate 0.02" in line


@pytest.mark.slow
def test_trial_whose_loss_is_not_finite_does_not_end_the_search(
    first: tuple[FinishedRun, str],
) -> None:
    finished, said = first
    best = finished.outcome.best_trial

    assert best is not None
    assert best.num_trials == 2  # of three
    assert finished.display.nodes["Tuner"] is NodeStatus.RAN
    assert "best of 3 trials: accuracy" in said


@pytest.mark.slow
def test_unchanged_search_is_reused_and_a_changed_one_is_not(
    first: tuple[FinishedRun, str], run_tiny: RunTiny
) -> None:
    again, _ = run_tiny()
    assert set(again.display.nodes.values()) == {NodeStatus.REUSED}
    assert again.outcome == first[0].outcome

    changed, _ = run_tiny("tuner.trials=1")
    assert changed.display.nodes["Transform"] is NodeStatus.REUSED
    assert changed.display.nodes["Tuner"] is NodeStatus.RAN
    assert changed.display.nodes["Trainer"] is NodeStatus.RAN
    assert changed.outcome.best_trial is not None
    assert changed.outcome.best_trial.num_trials == 1
    assert not list(changed.log_path.parents[1].glob("checkpoints/*"))


@pytest.mark.parametrize(
    ("overrides", "tuner"),
    [
        ([], None),
        (["tuner=null"], None),
        (["tuner={}"], TunerConfig()),
        (["tuner.trials=5"], TunerConfig(trials=5)),
        (
            ["tuner.space.optimizer.weight_decay={min: 0.001, max: 0.1, log: true}"],
            TunerConfig(
                space={"optimizer.weight_decay": SearchedSetting(min=0.001, max=0.1, log=True)}
            ),
        ),
        (
            [
                "tuner.space={optimizer.weight_decay: {min: 0.001, max: 0.1}}",
                "tuner.space.optimizer.weight_decay.max=0.2",
            ],
            TunerConfig(space={"optimizer.weight_decay": SearchedSetting(min=0.001, max=0.2)}),
        ),
        (
            # momentum is none of the configured optimizer's settings, but of both choices'.
            [
                "tuner.space.optimizer.choices=[sgd, rmsprop]",
                "tuner={space: {optimizer: {choices: [sgd, rmsprop]}, "
                "optimizer.momentum: {choices: [0, 0.9]}}}",
            ],
            TunerConfig(
                space={
                    "optimizer": SearchedSetting(choices=("sgd", "rmsprop")),
                    "optimizer.momentum": SearchedSetting(choices=(0, 0.9)),
                }
            ),
        ),
    ],
)
def test_search_is_configured_by_group_and_by_single_keys(
    overrides: list[str], tuner: TunerConfig | None
) -> None:
    assert load_config(None, overrides).tuner == tuner


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["tuner.epochs=99"], ["tuner.epochs: 99 is more than trainer.epochs, 16"]),
        (["tuner.algoritm=grid"], ["tuner.algoritm: unknown key. Did you mean algorithm?"]),
        (["tuner.algorithm=grid"], ["learning_rate: a grid needs choices, or a range with a step"]),
        (["tuner.space={}"], ["tuner.space: ", "at least 1 item"]),
        (
            ["tuner.space.learning_rat={min: 0.1, max: 0.2}"],
            ["tuner.space.learning_rat: unknown key. Did you mean learning_rate?", "batch_size"],
        ),
        (
            ["tuner.space.optimizer.momentum={min: 0.1, max: 0.2}"],
            ["tuner.space.optimizer.momentum: unknown key", "beta_1"],
        ),
        (
            ["tuner.space.trainer.l2={min: 0.1, max: 0.2}"],
            ["tuner.space.trainer.l2: keys of the space are below trainer: l2."],
        ),
        (
            ["tuner.space.learning_rate={minn: 0.1, max: 0.2}"],
            ["tuner.space.learning_rate.minn: unknown key. Did you mean min?", "choices"],
        ),
        (
            ["tuner.space.learning_rate={min: 0.1, max: 20}"],
            ["tuner.space.learning_rate: Input should be less than or equal to 10, got 20.0"],
        ),
        (["tuner.space.learning_rate={min: 2, max: 1}"], ["min 2 must be less than max 1"]),
        (["tuner.space.learning_rate={min: 0, max: 1, log: true}"], ["min must be above 0"]),
        (["tuner.space.learning_rate={min: 0.1}"], ["give choices, or both min and max"]),
        (
            ["tuner.space.learning_rate={min: 0.1, max: 1, choices: [1]}"],
            ["tuner.space.learning_rate: give either choices, or min and max"],
        ),
        (["tuner.space.learning_rate.choices=[1, null]"], ["choices.1: a choice cannot be empty"]),
        (["tuner.space.schedule.choices=[cosine, linear]"], ["tuner.space.schedule", "'linear'"]),
        (["tuner.space.batch_size={min: 1.5, max: 8}"], ["tuner.space.batch_size", "got 1.5"]),
        (["tuner.space.batch_size={min: 2, max: 8, step: 1.5}"], ["must be a whole number"]),
        (["tuner.space.augment.flip={min: 0, max: 1}"], ["augment.flip: is no number"]),
        (["tuner.space.epochs={min: 1, max: 8}"], ["cannot be searched", "tuner.epochs instead"]),
        (
            ["tuner.space.augment.crop_min_area.choices=[1, 0.5]"],
            ["tuner.space.augment: shift_fraction and crop_min_area exclude each other"],
        ),
        (
            ["tuner.space={network.input_px: {choices: [64, 96]}, network.width: {choices: [8]}}"],
            ["network.input_px: 96 changes the network's input picture, which Transform makes"],
        ),
        (["tuner.space.network.choices=[dog_cnn]"], ["tuner.space.network: dog_cnn changes"]),
    ],
)
def test_mistake_in_the_search_is_found_before_anything_runs(
    overrides: list[str], said: list[str]
) -> None:
    with pytest.raises(UserError) as raised:
        load_config(None, overrides)

    lines = str(raised.value).splitlines()
    assert len(lines) == 2, lines
    for words in said:
        assert words in lines[1]


def test_settings_lists_the_search_that_is_off_with_its_defaults() -> None:
    console = Console(file=io.StringIO(), width=200)

    show_settings(load_config(), console)

    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "tuner.trials" in said
    assert "Trainings to try at most." in said
    assert "{learning_rate: {min: 0.0001, max: 0.1, log: true}}" in said
