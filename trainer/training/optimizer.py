"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from trainer.networks.transfer.network import TransferConfig, set_backbone_trainable
from trainer.training.config import OptimizerConfig, TrainerConfig


@dataclass(frozen=True)
class Phase:
    """Epochs that are trained with one optimizer and one set of trainable weights."""

    first_epoch: int
    """Epochs that were done before this phase."""
    end_epoch: int
    """Epochs that are done after this phase."""
    rate_fraction: float = 1.0
    """Share of the configured learning rate that is used."""

    freezes_backbone: bool | None = None
    """Whether a backbone keeps its weights; None where there is no backbone."""
    feature_copies: int = 0
    """Copies of each picture whose features are computed once for all epochs of this phase; 0 means
    that the whole network computes in every step."""

    def apply(self, network: keras.Model, config: TrainerConfig) -> None:
        """Freezes or thaws what this phase trains. Must come before the network is compiled."""
        if self.freezes_backbone is not None and isinstance(config.network, TransferConfig):
            set_backbone_trainable(network, config.network, not self.freezes_backbone)


def phases(config: TrainerConfig) -> tuple[Phase, ...]:
    """Lists the phases in order; together they have `config.epochs` epochs."""
    network, epochs = config.network, config.epochs
    if not isinstance(network, TransferConfig):
        return (Phase(0, epochs),)
    num_frozen = network.num_frozen_epochs(epochs)
    frozen = Phase(0, num_frozen, freezes_backbone=True, feature_copies=network.feature_copies)
    tuned = Phase(
        num_frozen,
        epochs,
        rate_fraction=network.fine_tune_learning_rate_fraction if num_frozen else 1.0,
        freezes_backbone=False,
    )
    return tuple(phase for phase in (frozen, tuned) if phase.end_epoch > phase.first_epoch)


_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}
_KERAS_NAMES = {"initial_accumulator": "initial_accumulator_value"}
_NOT_DECAYED = ("bias", "gamma", "beta")  # decaying offsets and scales only biases the network


def build_optimizer(config: TrainerConfig, num_steps: int) -> keras.optimizers.Optimizer:
    """Builds the optimizer with its schedule over the whole run.

    Args:
        config: names, options and rates.
        num_steps: steps of the run.
    """
    options = _options(config.optimizer)
    optimizer = _OPTIMIZERS[config.optimizer.name](_schedule(config, num_steps), **options)
    if config.optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(_NOT_DECAYED))
    return optimizer


def _options(config: OptimizerConfig) -> dict[str, float]:
    """Settings under the names Keras has for them; no decay is None to Keras, not 0."""
    options = {
        _KERAS_NAMES.get(name, name): value
        for name, value in config.model_dump(exclude={"name"}).items()
    }
    options["weight_decay"] = options["weight_decay"] or None
    return options


def _schedule(
    config: TrainerConfig, num_steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "exponential":
        return schedules.ExponentialDecay(config.learning_rate, num_steps, config.final_fraction)
    warmup_steps = int(config.warmup_fraction * num_steps)
    if not warmup_steps:
        return schedules.CosineDecay(config.learning_rate, num_steps)
    return schedules.CosineDecay(
        0.0,
        num_steps - warmup_steps,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )
