"""Builds, compiles and trains a network; goes on where an interrupted training stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from trainer.networks.registry import build_network, needs_statistics
from trainer.networks.statistics import PictureStatistics, picture_statistics
from trainer.training.augment import Augmentation
from trainer.training.callbacks import (
    ReportProgress,
    StopAfterSteps,
    StopAtLossTolerance,
    StopOnNonFiniteLoss,
    WriteHistograms,
    WriteHistory,
)
from trainer.training.checkpoint import SaveCheckpoint, TrainingCheckpoint
from trainer.training.config import TrainerConfig
from trainer.training.devices import build_strategy, chosen_precision, precision
from trainer.training.features import batches_of_features
from trainer.training.input import Split, eval_batches, training_batches
from trainer.training.optimizer import Phase, build_optimizer, phases

CallbacksFor = Callable[[keras.Model, int], Sequence[keras.callbacks.Callback]]
"""From a network and the number of steps that it has been trained to more callbacks."""


class TrainingModel(keras.Model):
    """A network as it is trained: the same layers, with augmentation on the device if asked for."""

    augmentation: Augmentation | None = None
    first_step: int = 0

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Augments a batch where that is done on the device, then takes Keras's own step."""
        if self.augmentation is not None:
            step = tf.cast(self.optimizer.iterations, tf.int64) + self.first_step
            data = self.augmentation(*data, step)
        return super().train_step(data)


def train(
    config: TrainerConfig,
    train_split: Split,
    eval_split: Split,
    *,
    num_classes: int,
    work_dir: Path,
    callbacks_for: CallbacksFor = lambda network, first_step: (),
) -> keras.Model:
    """Trains the configured network.

    Args:
        config: the settings.
        train_split: examples to learn from.
        eval_split: examples to measure by after each epoch.
        num_classes: number of breeds.
        work_dir: keeps checkpoints, curves and `history.csv` while training goes on. If an earlier
            training with the same settings was interrupted here, this one goes on from its last
            finished epoch.
        callbacks_for: makes further callbacks.

    Returns:
        The trained network, `(batch, *config.network.image.shape)` uint8 to `(batch, num_classes)`
        float32 logits.

    Raises:
        ValueError: the loss left the finite numbers, or the batch does not suit the devices.
    """
    image = config.network.image
    steps_per_epoch = train_split.num_steps(config.batch_size)
    num_steps = min(
        steps_per_epoch * config.epochs, config.max_steps or steps_per_epoch * config.epochs
    )
    logging.info(
        "%d breeds, %d train and %d eval examples: %d steps an epoch, %d in all",
        num_classes,
        train_split.num_examples,
        eval_split.num_examples,
        steps_per_epoch,
        num_steps,
    )
    statistics = None
    if needs_statistics(config.network):
        statistics = picture_statistics(
            eval_batches(train_split, image, config, num_classes=num_classes)
        )
    strategy = build_strategy(config)
    with strategy.scope():
        network = _build(config, num_classes, statistics)
    network.summary(print_fn=logging.info)

    for number, phase in enumerate(phases(config)):
        phase_steps = steps_per_epoch * (phase.end_epoch - phase.first_epoch)
        with strategy.scope():
            phase.apply(network, config)
            fitted = _head_of(network) if phase.feature_copies else network
            _compile(fitted, config, min(phase_steps, num_steps), phase)
            checkpoint = TrainingCheckpoint(fitted, work_dir / "checkpoints" / f"phase-{number}")
            first_epoch = checkpoint.restore(default=phase.first_epoch)
        first_step = first_epoch * steps_per_epoch
        if first_epoch > phase.first_epoch:
            logging.info("Going on after epoch %d, step %d", first_epoch, first_step)
        if first_epoch >= phase.end_epoch or first_step >= num_steps:
            continue
        started_at = time.monotonic()
        if phase.feature_copies:
            batches, evaluation = batches_of_features(
                network,
                train_split,
                eval_split,
                config,
                work_dir / "checkpoints" / "features",
                num_copies=phase.feature_copies,
                num_classes=num_classes,
                first_step=first_step,
            )
        else:
            augmentation = Augmentation(
                config.augment, image, num_steps=num_steps, seed=config.seed
            )
            if config.augment.on_device:
                network.augmentation = augmentation
                network.first_step = phase.first_epoch * steps_per_epoch
            batches = training_batches(
                train_split,
                image,
                config,
                num_classes=num_classes,
                first_step=first_step,
                augmentation=None if config.augment.on_device else augmentation,
            )
            evaluation = eval_batches(eval_split, image, config, num_classes=num_classes)
        prepared_s = time.monotonic() - started_at
        fitted.fit(
            batches,
            validation_data=evaluation,
            validation_freq=[
                epoch
                for epoch in range(phase.first_epoch + 1, phase.end_epoch + 1)
                if epoch % config.eval_every_epochs == 0 or epoch == phase.end_epoch
            ],
            initial_epoch=first_epoch,
            epochs=phase.end_epoch,
            steps_per_epoch=steps_per_epoch,
            class_weight=_class_weights(config, train_split, num_classes),
            callbacks=[
                StopOnNonFiniteLoss(first_step),
                StopAfterSteps(num_steps, first_step),
                *_early_stop(config),
                WriteHistory(work_dir / "logs", steps_per_epoch, first_epoch, prepared_s),
                keras.callbacks.TensorBoard(str(work_dir / "logs")),
                *([WriteHistograms(work_dir / "logs")] if config.pictures.histograms else []),
                *callbacks_for(network, first_step),
                # What an epoch leaves is complete when it is saved, and saved when it is announced.
                SaveCheckpoint(checkpoint),
                ReportProgress(config.epochs, steps_per_epoch),
            ],
            verbose=0,
        )
    if chosen_precision(config) == "float32":
        return network
    # Served where there may be no GPU and no bfloat16: a network that computes in float32.
    trained = network
    network = _build(config.model_copy(update={"precision": "float32"}), num_classes, statistics)
    network.set_weights(trained.get_weights())
    return network


def _head_of(network: TrainingModel) -> TrainingModel:
    """Makes a model of what stands behind a network's features: the very same layers."""
    features = network.get_layer("features").output
    inputs = keras.Input(features.shape[1:], dtype="float32", name="features")
    outputs = network.get_layer("logits")(network.get_layer("dropout")(inputs))
    return TrainingModel(inputs, outputs, name=network.name)


def _build(
    config: TrainerConfig, num_classes: int, statistics: PictureStatistics | None
) -> TrainingModel:
    with precision(config):
        network = build_network(config.network, num_classes, statistics)
    if config.augment.train_px:
        # The same layers behind an input whose height and width are open.
        shape = (None, None, config.network.image.channels)
        network = keras.models.clone_model(
            network,
            input_tensors=keras.Input(shape, dtype="uint8", name="pictures"),
            clone_function=lambda layer: layer,
        )
    if config.l2:
        for variable in network.variables:  # frozen ones too: they may thaw
            if variable.name.endswith("kernel"):
                variable.regularizer = keras.regularizers.L2(config.l2)
    return TrainingModel(network.input, network.output, name=network.name)


def _compile(network: TrainingModel, config: TrainerConfig, num_steps: int, phase: Phase) -> None:
    rate = config.learning_rate * phase.rate_fraction
    optimizer = build_optimizer(config.model_copy(update={"learning_rate": rate}), num_steps)
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    network.optimizer.build(network.trainable_variables)


def _class_weights(
    config: TrainerConfig, split: Split, num_classes: int
) -> dict[int, float] | None:
    """Weights whose mean over the examples of the split is 1."""
    if config.class_weights == "none":
        return None
    num_present = sum(count > 0 for count in split.label_counts)
    weights = {
        label: split.num_examples / (num_present * count)
        for label, count in enumerate(split.label_counts)
        if count
    }
    return {label: weights.get(label, 1.0) for label in range(num_classes)}


def _early_stop(config: TrainerConfig) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = []
    if config.early_stop.loss_tolerance is not None:
        callbacks.append(StopAtLossTolerance(config.early_stop.loss_tolerance))
    if config.early_stop.patience_epochs is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss",
                patience=config.early_stop.patience_epochs,
                restore_best_weights=True,
            )
        )
    return callbacks
