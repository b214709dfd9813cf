"""The phases of a training: one, or a frozen and a fine-tuning one for a backbone."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from trainer.networks.transfer import set_backbone_trainable
from trainer.networks.transfer_config import TransferConfig
from trainer.training.config import TrainerConfig


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
    frozen = Phase(0, num_frozen, freezes_backbone=True)
    tuned = Phase(
        num_frozen,
        epochs,
        rate_fraction=network.fine_tune_learning_rate_fraction if num_frozen else 1.0,
        freezes_backbone=False,
    )
    return tuple(phase for phase in (frozen, tuned) if phase.end_epoch > phase.first_epoch)
