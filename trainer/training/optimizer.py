"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import keras

from trainer.training.config import OptimizerConfig, TrainerConfig

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
