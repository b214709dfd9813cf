"""Trainer's `run_fn`: reads, trains, exports, in that order."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from serving.versions import ABOUT_FILE
from trainer.breeds import breeds_of_schema
from trainer.callbacks import ReportProgress, StopAfterSteps, StopOnNonFiniteLoss
from trainer.config import TrainerConfig
from trainer.input import Split, eval_batches, training_batches
from trainer.loss import build_loss
from trainer.networks.build import build_network
from trainer.optimizer import build_optimizer
from trainer.signatures import Servable, save_servable


# No code of ours branches on tensors; AutoGraph would spend seconds rewriting Keras for nothing.
@tf.autograph.experimental.do_not_convert
def run_fn(fn_args: FnArgs) -> None:
    """Trains the configured network and exports it with its signatures.

    Args:
        fn_args: TFX's arguments; `custom_config` has `trainer`, the JSON form of
            `TrainerConfig`, and `recipe`, which identifies data and settings.

    Raises:
        ValueError: the splits are empty, the schema lists no breeds, or the loss left the finite
            numbers.
    """
    config = TrainerConfig.model_validate(fn_args.custom_config["trainer"])
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    image = config.network.image
    breeds = breeds_of_schema(fn_args.schema_path)
    train, evaluation = Split.find(fn_args.train_files), Split.find(fn_args.eval_files)

    steps_per_epoch = train.num_steps(config.batch_size)
    num_steps = min(
        steps_per_epoch * config.epochs, config.max_steps or steps_per_epoch * config.epochs
    )
    logging.info("Trainer settings: %s", config.model_dump_json())
    logging.info(
        "%d breeds, %d train and %d eval examples, batches of %d: %d steps an epoch, %d in all",
        len(breeds),
        train.num_examples,
        evaluation.num_examples,
        config.batch_size,
        steps_per_epoch,
        num_steps,
    )

    network = build_network(config.network, len(breeds))
    network.summary(print_fn=logging.info)
    network.compile(
        optimizer=build_optimizer(config, num_steps),
        loss=build_loss(config.label_smoothing, len(breeds)),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    network.fit(
        training_batches(
            train,
            image,
            config.augment,
            batch_size=config.batch_size,
            cache_mib=config.cache_mib,
            seed=config.seed,
        ),
        validation_data=eval_batches(
            evaluation, image, batch_size=config.batch_size, cache_mib=config.cache_mib
        ),
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[
            StopOnNonFiniteLoss(),
            StopAfterSteps(num_steps),
            ReportProgress(config.epochs, steps_per_epoch),
            keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False),
        ],
        verbose=0,
    )

    export_dir = Path(fn_args.serving_model_dir)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    save_servable(Servable(network, transform, breeds, image, config.top_k), export_dir)
    about = export_dir / ABOUT_FILE
    about.parent.mkdir()
    about.write_text(
        json.dumps(
            {
                "recipe": fn_args.custom_config["recipe"],
                "breeds": breeds,
                "trainer": config.model_dump(mode="json"),
                "tensorflow": tf.__version__,
            },
            indent=2,
        )
    )
