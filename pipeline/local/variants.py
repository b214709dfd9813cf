"""The variants that `dogbreed compare` holds against each other, read from its options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from pipeline.config.config import Config
from pipeline.config.load import load_config

_BETWEEN_SETTINGS = re.compile(r"\s+(?=[A-Za-z_][\w.]*=)")
_AS_CONFIGURED = "as configured"
_SHARED = ("name", "root", "data")


@dataclass(frozen=True)
class Variant:
    """One way of training."""

    label: str
    """The settings that tell it from the others, as typed."""
    config: Config
    """Its whole configuration."""


def read_variants(
    texts: Sequence[str],
    common: Sequence[str] = (),
    path: Path | None = None,
    *,
    source: str | None = None,
) -> tuple[Variant, ...]:
    """Reads what each variant comes to, and finds every mistake before anything is trained.

    Args:
        texts: the settings of each variant: `dotted.key=value`, several with white space between
            them. A value may have white space in it, such as `[64, 80]`: a setting ends only where
            another `key=` begins.
        common: overrides of every variant, one setting each.
        path: the configuration to vary; None means the built-in sample's.
        source: takes the place of `data.source`.

    Raises:
        UserError: a variant has a mistake, differs in its data, or equals another one.
    """
    if len(texts) < 2:
        raise UserError("A comparison wants two variants or more: repeat --set.")
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
        raise UserError("\n".join(problems))
    return tuple(variants)


def _split(text: str) -> list[str]:
    return [setting for setting in _BETWEEN_SETTINGS.split(text.strip()) if setting]


def _labels(settings: list[list[str]]) -> list[str]:
    """Leaves out of each variant what all of them have."""
    shared = set(settings[0]).intersection(*settings[1:])
    labels = [
        " ".join(each for each in own if each not in shared) or _AS_CONFIGURED for own in settings
    ]
    # The order of settings may be the whole difference: later ones win.
    return labels if len(set(labels)) == len(labels) else [" ".join(own) for own in settings]


def _check(config: Config, shared: Config, earlier: Sequence[Variant]) -> None:
    for key in _SHARED:
        if getattr(config, key) != getattr(shared, key):
            raise UserError(
                f"{key} cannot differ between variants, which are trained on the same data below "
                "the same root. Give it to all of them with --common."
            )
    for variant in earlier:
        if config == variant.config:
            raise UserError(f"it comes to the same settings as '{variant.label}'.")
