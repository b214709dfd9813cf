from __future__ import annotations

import keras
import numpy as np
import pytest

from trainer.callbacks import StopAfterSteps, StopOnNonFiniteLoss
from trainer.config import TrainerConfig
from trainer.loss import build_loss
from trainer.optimizer import build_optimizer


def _linear_model(learning_rate: float) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def test_loss_that_overflows_stops_the_training_and_names_the_step() -> None:
    features, targets = np.full((64, 3), 1e3, np.float32), np.zeros((64, 1), np.float32)

    with pytest.raises(ValueError, match=r"The loss is (inf|nan) at step \d+\..*learning_rate"):
        _linear_model(learning_rate=10.0).fit(
            features, targets, batch_size=8, epochs=20, callbacks=[StopOnNonFiniteLoss()], verbose=0
        )


def test_stop_after_steps_ends_in_the_middle_of_an_epoch() -> None:
    model = _linear_model(learning_rate=1e-3)

    model.fit(
        np.ones((64, 3)), np.ones((64, 1)), batch_size=8, epochs=9,
        callbacks=[StopAfterSteps(11)], verbose=0,
    )  # fmt: skip

    assert int(model.optimizer.iterations) == 11


@pytest.mark.parametrize(
    ("schedule", "at_start", "at_tenth", "at_end"),
    [
        ("constant", 0.01, 0.01, 0.01),
        ("cosine", 0.0, 0.01, 0.0),
        ("exponential", 0.01, 0.01 * 0.01**0.1, 0.0001),
    ],
)
def test_learning_rate_follows_its_schedule_over_the_run(
    schedule: str, at_start: float, at_tenth: float, at_end: float
) -> None:
    config = TrainerConfig.model_validate({"schedule": schedule, "learning_rate": 0.01})

    optimizer = build_optimizer(config, num_steps=200)

    rates = []
    for step in (0, 20, 200):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([at_start, at_tenth, at_end], abs=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_loss_in_training_is_cross_entropy_with_smoothed_targets(label_smoothing: float) -> None:
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], np.float32)
    labels = np.array([0, 2], np.int64)
    targets = np.eye(3)[labels] * (1 - label_smoothing) + label_smoothing / 3
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    by_hand = -(targets * log_probabilities).sum(axis=1).mean()
    identity = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
    identity.compile(loss=build_loss(label_smoothing, num_classes=3))

    loss = identity.evaluate(logits, labels, verbose=0)

    assert loss == pytest.approx(by_hand, abs=1e-5)
