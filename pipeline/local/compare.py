"""Trains and compares variants on the same data (`dogbreed compare`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from components.evaluator.metrics import Figures
from foundation.errors import RunFailedError, UsageError, UserError
from pipeline.config.config import Config
from pipeline.config.load import load_config
from pipeline.local.run_pipeline import run
from trainer.training.history import CurvePoint, eval_curve, read_history

_BETWEEN_SETTINGS = re.compile(r"\s+(?=[A-Za-z_][\w.]*=)")
_AS_CONFIGURED = "as configured"
_SHARED = ("name", "root", "data")


@dataclass(frozen=True)
class Variant:
    """A configuration to compare with others."""

    label: str
    """Settings that differ from the other variants', as typed."""
    config: Config


def read_variants(
    texts: Sequence[str],
    common: Sequence[str] = (),
    path: Path | None = None,
    *,
    source: str | None = None,
) -> tuple[Variant, ...]:
    """Reads all variants and finds every mistake before training.

    Args:
        texts: the settings of each variant: `dotted.key=value`, several with white space between
            them. Values may contain white space, such as `[64, 80]`: a setting ends only before
            another `key=`.
        common: overrides of every variant, one setting each.
        path: configuration to vary; None means the built-in sample's.
        source: replaces `data.source`.

    Raises:
        UsageError: a variant has a mistake, differs in its data, or equals another one.
    """
    if len(texts) < 2:
        raise UsageError("A comparison wants two variants or more: repeat --set.")
    shared = load_config(path, common, source=source)
    settings = [_split(text) for text in texts]
    labels = _labels(settings)
    variants: list[Variant] = []
    problems: list[str] = []
    for number, (label, own) in enumerate(zip(labels, settings, strict=True), start=1):
        try:
            config = load_config(path, [*common, *own], source=source)
            config = config.model_copy(
                update={
                    "pusher": config.pusher.model_copy(update={"enabled": False}),
                    "report": config.report.model_copy(update={"enabled": False}),
                }
            )
            _check(config, shared, variants)
        except UserError as error:
            problems.append(f"Variant {number} ({label}): {error}")
        else:
            variants.append(Variant(label, config))
    if problems:
        raise UsageError("\n".join(problems))
    return tuple(variants)


def _split(text: str) -> list[str]:
    return [setting for setting in _BETWEEN_SETTINGS.split(text.strip()) if setting]


def _labels(settings: list[list[str]]) -> list[str]:
    """Returns each variant's settings without those that all share."""
    shared = set(settings[0]).intersection(*settings[1:])
    labels = [
        " ".join(each for each in own if each not in shared) or _AS_CONFIGURED for own in settings
    ]
    # Variants may differ only in the order of settings: later ones win.
    return labels if len(set(labels)) == len(labels) else [" ".join(own) for own in settings]


def _check(config: Config, shared: Config, earlier: Sequence[Variant]) -> None:
    for key in _SHARED:
        if getattr(config, key) != getattr(shared, key):
            raise UsageError(
                f"{key} cannot differ between variants, which are trained on the same data below "
                "the same root. Give it to all of them with --common."
            )
    for variant in earlier:
        if config == variant.config:
            raise UsageError(f"it comes to the same settings as '{variant.label}'.")


@dataclass(frozen=True)
class Trained:
    """Result of a trained variant."""

    label: str
    """The variant's label."""
    figures: Figures
    """Every metric of the exported model over the eval split."""
    curve: tuple[CurvePoint, ...]
    """Eval accuracy during training, at least one point."""
    training_s: float

    @property
    def best(self) -> CurvePoint:
        """The first point with the highest accuracy."""
        return max(self.curve, key=lambda point: point.accuracy)


@dataclass(frozen=True)
class Failed:
    """A variant whose run failed."""

    label: str
    """The variant's label."""
    reason: str
    """The node and what happened, in one line."""


Result = Trained | Failed


def compare(
    variants: Sequence[Variant],
    console: Console,
    variant_ended: Callable[[list[Result]], None],
) -> list[Result]:
    """Trains and evaluates every variant; nothing is pushed.

    `variant_ended` is called with all results so far. A failed variant does not stop the others.
    Cached results of any run below the same root are reused.

    Raises:
        UserError: an error that concerns all variants and that the user can fix.
        DatasetError: the images cannot be used.
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
    history = read_history(outcome.training_logs)
    curve = eval_curve(history)
    if not curve:
        raise UserError(
            f"{variant.label}: no epoch was measured on the eval split, so there is no curve to "
            "compare. Train longer, or lower trainer.eval_every_epochs."
        )
    return Trained(
        label=variant.label,
        figures=outcome.figures,
        curve=curve,
        training_s=history[-1].elapsed_s,
    )
