"""Reads how accurate the model stayed on changed images, and the bounds on that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from components.evaluator.metrics import ACCURACY, HAIR
from components.evaluator.results.figures import share_interval
from components.evaluator.results.values import Bound, Changed, Robustness

ROBUSTNESS_FILE = "robustness.json"
"""File in the evaluation; missing where nothing was measured."""


class MeasuredChange(BaseModel):
    """Result on the images changed in one way."""

    model_config = ConfigDict(frozen=True)

    kind: str
    title: str
    num_right: int
    max_drop: float | None


class MeasuredRobustness(BaseModel):
    """Content of the file: results on a sample of the eval images."""

    model_config = ConfigDict(frozen=True)

    num_pictures: int
    num_right: int
    """Of the images as they are."""
    changes: tuple[MeasuredChange, ...]

    def drop(self, change: MeasuredChange) -> float:
        """Returns how much lower the accuracy is than on the images as they are."""
        return (self.num_right - change.num_right) / self.num_pictures

    def keeps(self, change: MeasuredChange) -> bool:
        """Tells whether the bound on a change is kept, or there is none."""
        return change.max_drop is None or self.drop(change) <= change.max_drop + HAIR

    @property
    def bounds_kept(self) -> bool:
        """Whether every bound is kept."""
        return all(map(self.keeps, self.changes))


def read_robustness(evaluation: Path | str) -> Robustness | None:
    """Reads the robustness in an evaluation; None where it was not measured."""
    measured = _read(evaluation)
    if measured is None:
        return None
    out_of = measured.num_pictures
    return Robustness(
        num_pictures=out_of,
        accuracy=measured.num_right / out_of,
        interval=share_interval(measured.num_right, out_of),
        changes=tuple(
            Changed(
                kind=change.kind,
                title=change.title,
                accuracy=change.num_right / out_of,
                interval=share_interval(change.num_right, out_of),
                drop=measured.drop(change),
                max_drop=change.max_drop,
                kept=measured.keeps(change),
            )
            for change in measured.changes
        ),
    )


def robustness_bounds(evaluation: Path | str) -> Iterator[Bound]:
    """Yields the bounds on single changes, in the order of their table."""
    measured = _read(evaluation)
    for change in measured.changes if measured is not None else ():
        if measured is not None and change.max_drop is not None:
            yield Bound(
                f"{ACCURACY.title} drop ({change.kind})",
                measured.drop(change),
                change.max_drop,
                at_least=False,
                kept=measured.keeps(change),
                setting=f"evaluator.robustness.max_drop.{change.kind}",
            )


def _read(evaluation: Path | str) -> MeasuredRobustness | None:
    path = Path(evaluation, ROBUSTNESS_FILE)
    return MeasuredRobustness.model_validate_json(path.read_bytes()) if path.is_file() else None
