"""How a missed bound is put into words, wherever people read of one."""

from __future__ import annotations

from components.report.facts import BASELINE_NAME, Bound

DROP_TITLE = f"Drop against the {BASELINE_NAME}"
"""Title of the bound on how much lower than the served model's the accuracy may be."""


def miss_in_words(bound: Bound) -> str:
    """Says which bound was missed and by how much, as a clause that begins in lower case.

    Args:
        bound: one that was not kept.
    """
    title = f"{bound.title[:1].lower()}{bound.title[1:]}"
    if bound.value is None:
        return f"there is no eval picture for the bound on {title}"
    if bound.title == DROP_TITLE:
        return (
            f"accuracy is {bound.value:.3f} lower than the {BASELINE_NAME}'s, "
            f"{bound.missed_by:.3f} more than the {bound.bound:.3f} allowed"
        )
    value, limit, missed_by = (
        _with_unit(number, bound.unit) for number in (bound.value, bound.bound, bound.missed_by)
    )
    return f"{title} {value} misses its bound {limit} by {missed_by}"


def _with_unit(number: float, unit: str) -> str:
    return f"{number:,.1f} {unit}" if unit else f"{number:.3f}"
