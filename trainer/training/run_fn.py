"""Trainer's `run_fn`: reads, trains, draws, exports, in that order."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer.export.calibration import calibrate
from trainer.export.export import export
from trainer.export.model_card import ModelFacts
from trainer.pictures.evolution import DrawEvolution
from trainer.pictures.write import write_pictures
from trainer.preprocessing.breeds import breeds_of_schema
from trainer.preprocessing.image import TransformConfig
from trainer.training.config import TrainerConfig
from trainer.training.devices import split_processor
from trainer.training.history import read_history
from trainer.training.input import Split, eval_batches
from trainer.training.train import train
from trainer.tuning.values import apply_hyperparameters


# No code of ours branches on tensors; AutoGraph would spend seconds rewriting Keras for nothing.
@tf.autograph.experimental.do_not_convert
def run_fn(fn_args: FnArgs) -> None:
    """Trains the configured network and exports it with its signatures.

    Args:
        fn_args: TFX's arguments; `custom_config` has `trainer`, the JSON form of
            `TrainerConfig`, `transform`, that of `TransformConfig`, `data` and `recipe`, which
            identify the data, and data and settings together, and `work_dir`, a folder that
            outlives an interrupted training.

    Raises:
        ValueError: the splits are empty, the schema lists no breeds, or the loss left the finite
            numbers.
    """
    config = apply_hyperparameters(
        TrainerConfig.model_validate(fn_args.custom_config["trainer"]), fn_args.hyperparameters
    )
    logging.info("Trainer settings: %s", config.model_dump_json())
    split_processor(config.logical_devices)
    keras.utils.clear_session()  # what an earlier training in this process left
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    image = config.network.image
    breeds = breeds_of_schema(fn_args.schema_path)
    train_split, held_out = Split.find(fn_args.train_files).hold_out(
        config.calibration_share, config.seed
    )
    eval_split = Split.find(fn_args.eval_files)
    evaluation = eval_batches(eval_split, image, config, num_classes=len(breeds))
    [picture] = next(iter(evaluation.unbatch().batch(1)))[0].numpy()
    work_dir = Path(fn_args.custom_config["work_dir"])
    logs_dir, frames_dir = work_dir / "logs", work_dir / "frames"

    network = train(
        config,
        train_split,
        eval_split,
        num_classes=len(breeds),
        work_dir=work_dir,
        callbacks_for=lambda network, first_step: [
            DrawEvolution(network, picture, config.pictures, logs_dir, frames_dir, first_step)
        ],
    )
    history = read_history(logs_dir)
    write_pictures(
        network,
        evaluation,
        breeds,
        frames_dir,
        out_dir=logs_dir / "pictures",
        log_dir=logs_dir,
        step=history[-1].step,
        config=config.pictures,
    )

    facts = ModelFacts(
        breeds=breeds,
        config=config,
        transform=TransformConfig.model_validate(fn_args.custom_config["transform"]),
        train_split=train_split,
        eval_split=eval_split,
        history=history,
        parameters=network.count_params(),
        data=fn_args.custom_config["data"],
        recipe=fn_args.custom_config["recipe"],
        calibration=calibrate(network, train_split, held_out, config),
    )
    transform = tft.TFTransformOutput(fn_args.transform_output)
    export(network, transform, facts, Path(fn_args.serving_model_dir))
    shutil.copytree(logs_dir, fn_args.model_run_dir, dirs_exist_ok=True)
    shutil.rmtree(work_dir)  # last: a run that is killed before this goes on from here
