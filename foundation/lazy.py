"""Public names of a package that are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package that offers names of its modules.

    Importing the package, or one module of it, thereby costs nothing of what the others import:
    TensorFlow alone takes seconds. Type checkers read the same names from imports below
    `TYPE_CHECKING`.

    Args:
        package: the package's full name.
        modules: the module that defines a name, by that name; relative to the package, such as
            `.options`.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(modules[name], package), name)

    return find
