from __future__ import annotations

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from trainer.training.callbacks import StopAfterSteps, StopOnNonFiniteLoss
from trainer.training.config import TrainerConfig
from trainer.training.optimizer import build_optimizer


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


@pytest.mark.parametrize(
    ("optimizer", "kind", "options"),
    [
        ({"name": "sgd", "momentum": 0.7, "nesterov": True}, "SGD", {"momentum": 0.7}),
        ({"name": "adagrad", "initial_accumulator": 0.3}, "Adagrad", {}),
        ({"name": "adam", "beta_1": 0.8, "epsilon": 1e-5}, "Adam", {"beta_1": 0.8}),
        ("adamw", "AdamW", {"weight_decay": 0.01}),
        ({"name": "rmsprop", "rho": 0.8, "momentum": 0.1}, "RMSprop", {"rho": 0.8}),
    ],
)
def test_optimizer_takes_its_options(
    optimizer: str | dict[str, float], kind: str, options: dict[str, float]
) -> None:
    config = TrainerConfig.model_validate({"optimizer": optimizer})

    built_optimizer = build_optimizer(config, num_steps=10)

    assert type(built_optimizer).__name__ == kind
    assert {name: built_optimizer.get_config()[name] for name in options} == options


def test_weight_decay_shrinks_kernels_and_leaves_offsets_alone() -> None:
    config = TrainerConfig.model_validate(
        {
            "optimizer": {"name": "sgd", "momentum": 0, "weight_decay": 0.5},
            "schedule": "constant",
            "learning_rate": 0.1,
        }
    )
    layer = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    layer.build((None, 3))

    optimizer = build_optimizer(config, num_steps=10)
    optimizer.apply([np.zeros((3, 1), np.float32), np.zeros(1, np.float32)], layer.variables)

    np.testing.assert_allclose(layer.kernel, 1 - 0.1 * 0.5)
    np.testing.assert_allclose(layer.bias, 1)


def test_option_of_another_optimizer_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"optimizer\.adam\.momentum"):
        TrainerConfig.model_validate({"optimizer": {"name": "adam", "momentum": 0.9}})
