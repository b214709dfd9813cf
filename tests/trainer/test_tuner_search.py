"""The search with a training that only pretends: what is tried, kept, resumed and told."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from trainer.training.config import AdamWConfig, RmsPropConfig, SgdConfig, TrainerConfig
from trainer.training.history import PROGRESS_LOGGER
from trainer.tuning.config import SearchedSetting, TunerConfig
from trainer.tuning.search import Search, build_space, resume_search
from trainer.tuning.values import apply_hyperparameters, apply_values, encode_choice

pytestmark = pytest.mark.slow

_TRAINER = TrainerConfig(epochs=9, seed=0)
_RATES = {"learning_rate": SearchedSetting(min=1e-4, max=1, log=True)}


class _Pretended:
    """Scores by the learning rate, best at 0.01; remembers what it was asked to train."""

    def __init__(self) -> None:
        self.trained: list[TrainerConfig] = []

    def __call__(self, config: TrainerConfig, work_dir: Path) -> float:
        self.trained.append(config)
        return _goodness(config)


def _goodness(config: TrainerConfig) -> float:
    return 1 - abs(math.log10(config.learning_rate) + 2) / 4


def _best(search: Search) -> TrainerConfig:
    [best] = search.get_best_hyperparameters()
    return apply_hyperparameters(_TRAINER, best.get_config())


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband"])
def test_search_ends_with_the_best_of_what_it_trained(algorithm: str, tmp_path: Path) -> None:
    tuner = TunerConfig(algorithm=algorithm, trials=6, epochs=3, space=_RATES)
    score = _Pretended()

    search = Search(tuner, _TRAINER, score, tmp_path)
    search.search()

    assert len(score.trained) == 6
    assert max(config.epochs for config in score.trained) <= 3
    best = max(score.trained, key=_goodness)
    assert _best(search).learning_rate == best.learning_rate
    assert len({config.learning_rate for config in score.trained}) > 1


def test_lowest_loss_is_the_best_where_loss_is_the_objective(tmp_path: Path) -> None:
    tuner = TunerConfig(trials=4, objective="loss", space=_RATES)
    search = Search(tuner, _TRAINER, lambda config, work_dir: config.learning_rate, tmp_path)

    search.search()

    rates = [trial.hyperparameters["learning_rate"] for trial in search.oracle.trials.values()]
    assert _best(search).learning_rate == min(rates)


def test_grid_trains_every_combination_once_then_ends(tmp_path: Path) -> None:
    space = {
        "optimizer": SearchedSetting(choices=("sgd", "rmsprop")),
        "optimizer.momentum": SearchedSetting(min=0, max=0.5, step=0.25),
    }
    score = _Pretended()

    Search(TunerConfig(algorithm="grid", space=space), _TRAINER, score, tmp_path).search()

    optimizers = [config.optimizer for config in score.trained]
    assert len(optimizers) == 6
    for momentum in (0, 0.25, 0.5):
        assert SgdConfig(momentum=momentum) in optimizers
        assert RmsPropConfig(momentum=momentum) in optimizers


def test_same_seed_tries_the_same_values_and_another_seed_others(tmp_path: Path) -> None:
    def rates(seed: int, directory: Path) -> list[float]:
        score = _Pretended()
        trainer = TrainerConfig(seed=seed)
        Search(TunerConfig(trials=3, space=_RATES), trainer, score, directory).search()
        return [config.learning_rate for config in score.trained]

    first = rates(0, tmp_path / "first")

    assert rates(0, tmp_path / "again") == first
    assert rates(1, tmp_path / "other") != first


def test_failed_trials_are_told_and_do_not_end_the_search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails_at_first(config: TrainerConfig, work_dir: Path) -> float:
        (work_dir / "checkpoints").mkdir(parents=True)
        logging.getLogger(PROGRESS_LOGGER).info("epoch %d/9", 1, extra={"milestone": True})
        if "trial_4" not in str(work_dir):
            raise ValueError("The loss is nan at step 7.")
        return 0.5

    search = Search(TunerConfig(trials=5, space=_RATES), _TRAINER, fails_at_first, tmp_path)
    with caplog.at_level(logging.INFO, logger=PROGRESS_LOGGER):
        search.search()

    said = [
        (record.getMessage(), getattr(record, "milestone", False))
        for record in caplog.records
        if record.name == PROGRESS_LOGGER
    ]
    assert said[0] == ("trial 1/5, epoch 1/9", False)
    assert said[1][0].startswith("trial 1/5, learning_rate ")
    assert said[1][0].endswith(": failed: The loss is nan at step 7.")
    assert said[1][1]
    assert said[9][0].endswith(": accuracy 0.500, best 0.500")
    assert said[10][0].startswith("best of 5 trials: accuracy 0.500 with learning_rate ")
    assert _best(search).learning_rate != _TRAINER.learning_rate
    assert not list(tmp_path.rglob("checkpoints"))


def test_search_in_which_nothing_ended_well_fails_with_the_reason(tmp_path: Path) -> None:
    def fails(config: TrainerConfig, work_dir: Path) -> float:
        raise ValueError("The loss is nan at step 7.")

    search = Search(TunerConfig(trials=4, space=_RATES), _TRAINER, fails, tmp_path)

    with pytest.raises(ValueError, match=r"None of 4 trials gave a model.*The loss is nan at step"):
        search.search()


def test_killed_search_goes_on_with_the_trial_that_was_running(tmp_path: Path) -> None:
    tuner = TunerConfig(trials=4, space=_RATES)
    whole, before, after = _Pretended(), _Pretended(), _Pretended()
    Search(tuner, _TRAINER, whole, tmp_path / "whole").search()

    def killed_in_the_third(config: TrainerConfig, work_dir: Path) -> float:
        if len(before.trained) == 2:
            raise KeyboardInterrupt
        return before(config, work_dir)

    with pytest.raises(KeyboardInterrupt):
        Search(tuner, _TRAINER, killed_in_the_third, tmp_path / "killed").search()
    search = resume_search(tuner, _TRAINER, after, tmp_path / "killed")
    search.search()

    assert before.trained + after.trained == whole.trained
    assert len(after.trained) == 2


def test_search_whose_books_are_torn_begins_anew(tmp_path: Path) -> None:
    tuner = TunerConfig(trials=3, space=_RATES)
    Search(tuner, _TRAINER, _Pretended(), tmp_path).search()
    (tmp_path / "trials" / "oracle.json").write_text('{"ongoing_tri')
    score = _Pretended()

    resume_search(tuner, _TRAINER, score, tmp_path).search()

    assert len(score.trained) == 3


def test_space_takes_the_type_of_each_setting() -> None:
    tuner = TunerConfig.model_validate(
        {
            "space": {
                "batch_size": {"min": 8, "max": 64, "log": True, "step": 2},
                "network.width": {"min": 8, "max": 10},
                "learning_rate": {"choices": [1, "1e-3"]},
                "network.blocks": {"choices": [[1, 1], [2, 2]]},
                "augment.flip": {"choices": [True, False]},
            }
        }
    )

    space = {each.name: list(each.values) for each in build_space(tuner, _TRAINER).space}

    assert space == {
        "batch_size": [8, 16, 32, 64],
        "network.width": [8, 9, 10],
        "learning_rate": [1.0, 0.001],
        "network.blocks": ["[1, 1]", "[2, 2]"],
        "augment.flip": [True, False],
    }
    assert isinstance(space["learning_rate"][0], float)


def test_values_replace_settings_and_groups_before_what_is_in_them() -> None:
    config = apply_values(
        _TRAINER,
        {
            "optimizer.momentum": 0.5,
            "optimizer": "sgd",
            "network.blocks": encode_choice([2, 3]),
            "augment.flip": 0,
        },
    )

    assert config.optimizer == SgdConfig(momentum=0.5)
    assert config.network.blocks == (2, 3)  # type: ignore[union-attr]
    assert config.augment.flip is False
    assert config.epochs == _TRAINER.epochs


def test_name_of_the_configured_optimizer_keeps_its_options() -> None:
    configured = TrainerConfig(optimizer=AdamWConfig(weight_decay=0.3))

    assert apply_values(configured, {"optimizer": "adamw"}) == configured
    assert apply_values(configured, {"optimizer": "sgd"}).optimizer == SgdConfig()


def test_value_that_oversteps_its_range_is_taken_for_its_end() -> None:
    """keras-tuner's Bayesian search can give one more than the highest whole number."""
    tuner = TunerConfig(space={"batch_size": SearchedSetting(min=4, max=64, log=True)})
    space = build_space(tuner, _TRAINER)
    space.values["batch_size"] = 65

    assert apply_hyperparameters(_TRAINER, space.get_config()).batch_size == 64


def test_no_search_changes_nothing() -> None:
    assert apply_hyperparameters(_TRAINER, None) is _TRAINER
