"""`dogbreed compare`: the same data, trained on in several ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from foundation.errors import RunFailedError
from pipeline.local.run_pipeline import run
from pipeline.local.variants import Variant
from trainer.training.training_history import Epoch, read_history


@dataclass(frozen=True)
class Trained:
    """What came of a variant."""

    label: str
    """The settings that tell it from the others."""
    accuracy: float
    """Accuracy of the exported model over the eval split, a share."""
    top_5_accuracy: float
    """Share of eval pictures whose breed is among the five most probable."""
    loss: float
    """Mean cross-entropy over the eval split, in nats."""
    history: tuple[Epoch, ...]
    """The training curve."""

    @property
    def best(self) -> Epoch:
        """The first epoch of the highest eval accuracy."""
        return max(self.history, key=lambda epoch: epoch.val_accuracy)

    @property
    def training_s(self) -> float:
        """Seconds of training."""
        return self.history[-1].elapsed_s


@dataclass(frozen=True)
class Failed:
    """A variant whose run failed."""

    label: str
    """The settings that tell it from the others."""
    reason: str
    """The node and what happened, in one line."""


Result = Trained | Failed


def compare(
    variants: Sequence[Variant],
    console: Console,
    variant_ended: Callable[[list[Result]], None],
) -> list[Result]:
    """Trains and evaluates every variant; nothing is pushed.

    A variant that fails does not keep the others from being trained. What has not changed since an
    earlier run is reused: for the first variant what any run below the same root has done, for the
    others mostly all up to Transform.

    Args:
        variants: what to train.
        console: where progress is shown.
        variant_ended: is handed the results so far after each variant.

    Returns:
        One result for each variant, in order.

    Raises:
        UserError: something that concerns all variants and the user can put right.
        DatasetError: the pictures cannot be used.
    """
    results: list[Result] = []
    for number, variant in enumerate(variants, start=1):
        headline = f"Variant {number} of {len(variants)}: {variant.label}"
        console.print(f"\n[bold]{escape(headline)}[/]", highlight=False, soft_wrap=True)
        results.append(_train(variant, console))
        variant_ended(results)
    return results


def _train(variant: Variant, console: Console) -> Result:
    try:
        outcome = run(variant.config, console).outcome
    except RunFailedError as error:
        console.print(f"[bold red]Failed:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return Failed(variant.label, f"{error.node_id}: {error.reason}")
    return Trained(
        label=variant.label,
        accuracy=outcome.accuracy,
        top_5_accuracy=outcome.top_5_accuracy,
        loss=outcome.loss,
        history=read_history(outcome.training_logs),
    )
