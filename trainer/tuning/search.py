"""Hyper-parameter search with keras-tuner.

keras-tuner chooses the values and records the trials; the training itself is the project's own, so
that a trial trains as Trainer would with the same settings.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine import base_tuner
from keras_tuner.engine import trial as trials
from pydantic import BaseModel

from foundation.settings import value_at
from trainer.training.config import TrainerConfig
from trainer.training.history import PROGRESS_LOGGER
from trainer.tuning.config import SearchedSetting, TunerConfig
from trainer.tuning.values import (
    apply_hyperparameters,
    apply_values,
    encode_choice,
    searched_values,
    values_in_words,
)

Score = Callable[[TrainerConfig, Path], float]
"""Trains with some settings, in a folder for its files, and returns the objective."""

_progress = logging.getLogger(PROGRESS_LOGGER)
_DIRECTIONS = {"accuracy": "max", "loss": "min"}


class Search(base_tuner.BaseTuner):
    """A tuner that trains once for each trial, one after the other.

    A training that fails, because of a non-finite loss or a network that cannot be built, is a
    failed trial; the search goes on. Hyperband's better trials are trained anew with more epochs,
    because the learning rate's schedule ends with the epochs.

    A trial replaces some of the settings in `trainer`. An interrupted search with the same settings
    resumes from `directory`.
    """

    def __init__(
        self, tuner: TunerConfig, trainer: TrainerConfig, score: Score, directory: Path
    ) -> None:
        self._tuner = tuner
        self._trainer = trainer
        self._score = score
        super().__init__(
            oracle=_build_oracle(tuner, trainer), directory=str(directory), project_name="trials"
        )

    def run_trial(self, trial: trials.Trial) -> float:
        """Trains with a trial's values and returns the objective over the eval split.

        Raises:
            keras_tuner.errors.FailedTrialError: the training failed.
        """
        work_dir = Path(self.get_trial_dir(trial.trial_id)) / "training"
        with _named(f"trial {len(self.oracle.start_order)}/{self._num_planned()}, "):
            try:
                return self._score(self._settings(trial), work_dir)
            except ValueError as error:
                reason = str(error).splitlines()[0] if str(error) else repr(error)
                raise keras_tuner.errors.FailedTrialError(reason) from error
            finally:
                shutil.rmtree(work_dir / "checkpoints", ignore_errors=True)

    def on_trial_end(self, trial: trials.Trial) -> None:
        """Records the trial and logs how it ended."""
        super().on_trial_end(trial)
        name = f"trial {len(self.oracle.end_order)}/{self._num_planned()}"
        ended = self.oracle.get_trial(trial.trial_id)
        values = values_in_words(searched_values(self._trainer, ended.hyperparameters.get_config()))
        if ended.status == trials.TrialStatus.COMPLETED:
            best = self.oracle.get_best_trials()[0]
            result = f"{self._tuner.objective} {ended.score:.3f}, best {best.score:.3f}"
        else:
            result = f"failed: {_reason(ended)}"
        _progress.info("%s, %s: %s", name, values, result, extra={"milestone": True})

    def on_search_end(self) -> None:
        """Logs all trials as a table, and the best one.

        Raises:
            ValueError: no trial succeeded.
        """
        ended = [self.oracle.get_trial(trial_id) for trial_id in self.oracle.end_order]
        names = list(self._tuner.space)
        rows = [["trial", "status", f"eval {self._tuner.objective}", *names]]
        for trial in ended:
            values = trial.hyperparameters.values
            score = "" if trial.score is None else f"{trial.score:.6g}"
            rows.append(
                [trial.trial_id, trial.status, score, *(str(values[name]) for name in names)]
            )
        logging.info("Trials:\n%s", "\n".join("\t".join(row) for row in rows))
        if not any(trial.status == trials.TrialStatus.COMPLETED for trial in ended):
            raise ValueError(
                f"None of {len(ended)} trials gave a model. The last: {_reason(ended[-1])} Change "
                "tuner.space."
            )
        best = self.oracle.get_best_trials()[0]
        values = values_in_words(searched_values(self._trainer, best.hyperparameters.get_config()))
        _progress.info(
            "best of %d trials: %s %.3f with %s",
            len(ended),
            self._tuner.objective,
            best.score,
            values,
        )

    def _settings(self, trial: trials.Trial) -> TrainerConfig:
        config = apply_hyperparameters(self._trainer, trial.hyperparameters.get_config())
        epochs = trial.hyperparameters.values.get("tuner/epochs", _num_epochs(self._tuner, config))
        # Nobody looks at a trial's histograms.
        pictures = config.pictures.model_copy(update={"histograms": False})
        return config.model_copy(update={"epochs": epochs, "pictures": pictures})

    def _num_planned(self) -> int:
        """Returns the number of trials, unless the algorithm ends sooner."""
        if self._tuner.algorithm not in ("random", "grid"):
            return self._tuner.trials
        return min(self._tuner.trials, _num_combinations(self.oracle.get_space()))


def resume_search(
    tuner: TunerConfig, trainer: TrainerConfig, score: Score, directory: Path
) -> Search:
    """Resumes an interrupted search, or starts one; arguments as for `Search`."""
    # keras-tuner does not save its position in a grid.
    if tuner.algorithm != "grid":
        try:
            return Search(tuner, trainer, score, directory)
        except (ValueError, KeyError, RuntimeError):  # killed while it wrote its records
            logging.exception("The search in %s cannot go on; it begins anew", directory)
    shutil.rmtree(directory, ignore_errors=True)
    return Search(tuner, trainer, score, directory)


def build_space(tuner: TunerConfig, trainer: TrainerConfig) -> keras_tuner.HyperParameters:
    """Converts the search space for keras-tuner; every value has the type of its setting."""
    first = {key: encode_choice(setting.corners[0]) for key, setting in tuner.space.items()}
    space = keras_tuner.HyperParameters()
    for key, setting in tuner.space.items():

        def typed(value: Any, key: str = key) -> Any:
            encoded = encode_choice(value)
            taken = value_at(apply_values(trainer, {**first, key: encoded}), key)
            return encoded if isinstance(taken, BaseModel | tuple) else taken

        if setting.choices is not None:
            space.Choice(key, [typed(choice) for choice in setting.choices])
        else:
            _add_range(space, key, setting, typed(setting.min), typed(setting.max))
    return space


def _add_range(
    space: keras_tuner.HyperParameters,
    key: str,
    setting: SearchedSetting,
    lowest: int | float,
    highest: int | float,
) -> None:
    whole = isinstance(lowest, int)
    add = space.Int if whole else space.Float
    step = int(setting.step) if whole and setting.step is not None else setting.step
    add(key, lowest, highest, step=step, sampling="log" if setting.log else "linear")


def _build_oracle(tuner: TunerConfig, trainer: TrainerConfig) -> keras_tuner.Oracle:
    settings = {
        "objective": keras_tuner.Objective(
            f"val_{tuner.objective}", direction=_DIRECTIONS[tuner.objective]
        ),
        "hyperparameters": build_space(tuner, trainer),
        "seed": trainer.seed + 1,  # 0 is none to keras-tuner, which then draws one
        "max_consecutive_failed_trials": tuner.trials + 1,
    }
    oracles = keras_tuner.oracles
    if tuner.algorithm == "hyperband":
        oracle = oracles.HyperbandOracle(max_epochs=_num_epochs(tuner, trainer), **settings)
        oracle.max_trials = tuner.trials  # not an argument, but TFX cannot do without it
        return oracle
    kinds = {
        "random": oracles.RandomSearchOracle,
        "bayesian": oracles.BayesianOptimizationOracle,
        "grid": oracles.GridSearchOracle,
    }
    return kinds[tuner.algorithm](max_trials=tuner.trials, **settings)


def _num_epochs(tuner: TunerConfig, trainer: TrainerConfig) -> int:
    return tuner.epochs or trainer.epochs


def _num_combinations(space: keras_tuner.HyperParameters) -> int:
    counts = []
    for each in space.space:
        if getattr(each, "max_value", None) is not None and each.step is None:
            return 2**63 - 1
        counts.append(len(set(each.values)))
    return math.prod(counts)


@contextmanager
def _named(prefix: str) -> Iterator[None]:
    """Prefixes a training's progress messages; only a trial's end is a milestone."""

    def rename(record: logging.LogRecord) -> bool:
        record.msg = f"{prefix}{record.msg}"
        record.milestone = False
        return True

    _progress.addFilter(rename)
    try:
        yield
    finally:
        _progress.removeFilter(rename)


def _reason(trial: trials.Trial) -> str:
    if not trial.message:
        return "the objective is not a number."
    last = trial.message.strip().splitlines()[-1]
    return last.partition(f"{keras_tuner.errors.FailedTrialError.__name__}: ")[2] or last
