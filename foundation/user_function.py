"""User-defined functions, named as `my_package.my_module:my_function`."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from foundation.errors import UsageError, UserError

_MODULE_AND_FUNCTION = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")


def _module_and_function(name: str) -> str:
    if not _MODULE_AND_FUNCTION.fullmatch(name):
        raise ValueError("wants MODULE:FUNCTION such as my_package.my_module:my_function")
    return name


FunctionName = Annotated[str, AfterValidator(_module_and_function)]
"""Module and name of a function; whether it exists is checked on use."""


def load_function(name: FunctionName) -> Callable[..., Any]:
    """Imports a function by its module and name; the current folder is searched last.

    Raises:
        UserError: there is no such module or function, or the module cannot be imported.
    """
    module_name, _, function_name = name.partition(":")
    _find_package(name)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the user's code can raise anything
        raise UserError(
            f"{name}: {module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(f"{name}: {module.__file__} has no function {function_name}.")
    return function


def source_files(name: FunctionName) -> tuple[Path, ...]:
    """Returns the files whose change may change a function, without importing it.

    These are its module's file or, of a module in a package, every Python file of the package,
    sorted.

    Raises:
        UserError: there is no such module.
    """
    package = _find_package(name)
    folders = package.submodule_search_locations
    if folders is not None:
        return tuple(sorted(file for folder in folders for file in Path(folder).rglob("*.py")))
    return (Path(package.origin),) if package.origin and package.has_location else ()


def _find_package(name: FunctionName) -> ModuleSpec:
    """Returns the spec of the outermost package, or of the module where it is in none."""
    current = str(Path.cwd())
    if current not in sys.path:  # as for `python -m`; a console script has its own folder instead
        sys.path.append(current)
    package = re.split("[.:]", name)[0]
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise UsageError(
            f"{name}: there is no module {package}. Put the folder that it is in on PYTHONPATH, "
            "install its package, or start from that folder."
        )
    return spec
