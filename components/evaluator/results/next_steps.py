"""Says what to do about a refused model; terminal and report read it here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.evaluator.results.values import Bound, BreedRow

_TRANSFER = "transfer"
"""Network, and the configuration of that name."""
_FEW_PICTURES = 100
"""Of a breed, for training: with fewer, more pictures help most."""
_MOST_BREEDS = 3


def network_of(about: Mapping[str, Any]) -> str:
    """Returns the name of a model's network from what is stored with it; empty if unknown."""
    return str(about.get("trainer", {}).get("network", {}).get("name", ""))


def next_steps(
    missed: Sequence[Bound], breeds: Sequence[BreedRow], network: str, *, served_badly: bool
) -> tuple[str, ...]:
    """Lists what to do about a refused model, the most promising first.

    Args:
        missed: the bounds that it missed.
        breeds: its results of each breed.
        network: name of its network.
        served_badly: whether the canary refused it.
    """
    return tuple(_steps(missed, breeds, network, served_badly))


def _steps(
    missed: Sequence[Bound], breeds: Sequence[BreedRow], network: str, served_badly: bool
) -> Iterator[str]:
    if served_badly:
        yield "Run again: the canary tries the same model once more."
    else:
        if network != _TRANSFER:
            yield f"Begin with a backbone that has learned from ImageNet: --config {_TRANSFER}."
        if weak := _weakest(breeds):
            told = "; ".join(
                f"{row.breed} ({row.num_train:,} for training, recall {row.recall:.2f})"
                for row in weak
            )
            yield f"More pictures of {told}."
    settings = dict.fromkeys(bound.setting for bound in missed)
    if settings:
        yield f"Only then the bound: {', '.join(settings)}."


def _weakest(breeds: Sequence[BreedRow]) -> list[BreedRow]:
    """Returns the breeds with few pictures that it knows least, worse than the mean breed."""
    recalls = [row.recall for row in breeds if row.recall is not None]
    rows = [
        row
        for row in breeds
        if row.recall is not None
        and row.recall * len(recalls) < sum(recalls)
        and 0 < row.num_train < _FEW_PICTURES  # 0 where unknown
    ]
    return sorted(rows, key=lambda row: (row.recall or 0.0, row.num_train))[:_MOST_BREEDS]
