"""Amounts of processor and memory as Kubernetes writes them."""

from __future__ import annotations

import re

_FACTORS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


def amount_of(quantity: str) -> float:
    """Reads a quantity, such as 500m or 8Gi.

    Args:
        quantity: a number with a unit, or none.

    Returns:
        Cores or bytes.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(\D*)", quantity)
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"'{quantity}' is no quantity such as 500m or 8Gi")
    return float(match[1]) * _FACTORS[match[2]]
