"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import keras

from trainer.config import TrainerConfig

_SGD_MOMENTUM = 0.9
_EXPONENTIAL_END = 0.01  # share of the highest rate that is left at the last step


def build_optimizer(config: TrainerConfig, num_steps: int) -> keras.optimizers.Optimizer:
    """Builds the optimizer with its schedule over the whole run.

    Args:
        config: names and rates.
        num_steps: steps of the run.
    """
    rate = _schedule(config, num_steps)
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=_SGD_MOMENTUM)
    if config.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)


def _schedule(
    config: TrainerConfig, num_steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "exponential":
        return schedules.ExponentialDecay(config.learning_rate, num_steps, _EXPONENTIAL_END)
    warmup_steps = int(config.warmup_fraction * num_steps)
    if not warmup_steps:
        return schedules.CosineDecay(config.learning_rate, num_steps)
    return schedules.CosineDecay(
        0.0,
        num_steps - warmup_steps,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )
