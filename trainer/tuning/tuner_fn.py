"""TFX Tuner's `tuner_fn`: searches the settings that Trainer then uses."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

import keras
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from trainer.preprocessing.breeds import breeds_of_schema
from trainer.training.config import TrainerConfig
from trainer.training.devices import split_processor
from trainer.training.input import Split
from trainer.training.train import train
from trainer.tuning.config import TunerConfig
from trainer.tuning.search import resume_search


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Builds the configured search.

    Args:
        fn_args: TFX's arguments; `custom_config` has `tuner` and `trainer`, the JSON forms of
            `TunerConfig` and `TrainerConfig`, and `work_dir`, a folder that outlives an interrupted
            search.

    Returns:
        The search, whose `search()` takes no arguments.

    Raises:
        ValueError: the splits are empty, or the schema lists no breeds.
    """
    tuner = TunerConfig.model_validate(fn_args.custom_config["tuner"])
    trainer = TrainerConfig.model_validate(fn_args.custom_config["trainer"])
    split_processor(trainer.logical_devices)
    tf.config.experimental.enable_op_determinism()
    logging.info("Tuner settings: %s", tuner.model_dump_json())
    train_split, _ = Split.find(fn_args.train_files).hold_out(
        trainer.calibration_share, trainer.seed
    )
    score = functools.partial(
        _train_and_score,
        objective=tuner.objective,
        train_split=train_split,
        eval_split=Split.find(fn_args.eval_files),
        num_classes=len(breeds_of_schema(fn_args.schema_path)),
    )
    directory = Path(fn_args.custom_config["work_dir"]) / "search"
    return TunerFnResult(resume_search(tuner, trainer, score, directory), {})


# No code of ours branches on tensors; AutoGraph would spend seconds rewriting Keras for nothing.
@tf.autograph.experimental.do_not_convert
def _train_and_score(
    config: TrainerConfig,
    work_dir: Path,
    *,
    objective: str,
    train_split: Split,
    eval_split: Split,
    num_classes: int,
) -> float:
    """Trains once and returns `objective` over the eval split, of the weights that are kept."""
    keras.utils.clear_session()  # what earlier trials left
    keras.utils.set_random_seed(config.seed)
    epochs = keras.callbacks.History()
    train(
        config,
        train_split,
        eval_split,
        num_classes=num_classes,
        work_dir=work_dir,
        callbacks_for=lambda network, first_step: (epochs,),
    )
    kept = -1
    if config.early_stop.patience_epochs is not None:
        losses = epochs.history["val_loss"]
        kept = losses.index(min(losses))
    return float(epochs.history[f"val_{objective}"][kept])
