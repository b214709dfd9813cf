"""Lazy imports of a package's public names (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a package's `__getattr__`, which imports its public names on first use.

    This keeps importing the package, or one module of it, fast: TensorFlow alone takes seconds.
    Type checkers read the same names from imports below `TYPE_CHECKING`.

    Args:
        package: the package's full name.
        modules: by public name, the module that defines it, relative to the package, as in
            `.options`.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(modules[name], package), name)

    return find
