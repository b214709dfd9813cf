"""Fingerprints: short hashes that tell whether values, files or code have changed.

A code fingerprint covers every module of this project that an entry module imports, found by
parsing instead of importing, which needs no TensorFlow. Docstrings and comments do not count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
"""Folder that contains this project's packages."""
PACKAGES = ("foundation", "ingestion", "trainer", "serving", "components")
"""Packages whose code nodes run. `pipeline` is not one: it only builds the DAG, and passes settings
to nodes as properties."""
_DIGITS = 16  # hexadecimal: 64 bits
_MODULE_PATH = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")


def digest(content: bytes, digits: int = _DIGITS) -> str:
    """Returns the first `digits` hexadecimal digits of the SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()[:digits]


def fingerprint(*parts: Any) -> str:
    """Returns the fingerprint of JSON-serialisable values."""
    return digest(json.dumps(parts).encode())


def code_fingerprint(
    entries: Iterable[str],
    *,
    without: Iterable[str] = (),
    files: Iterable[Path] = (),
    project: Path = PROJECT,
) -> str:
    """Returns the fingerprint of the code that modules run.

    Covers everything the entries import, at module level or within functions, and every module
    named by a string, as in `python -m MODULE` or in a path that TFX imports. Imports below
    `TYPE_CHECKING` do not count.

    Args:
        entries: dotted names of the modules that are run.
        without: modules and packages to skip, together with what only they import.
        files: further files; the imports of Python files are followed too.
        project: folder of the packages.

    Raises:
        FileNotFoundError: an entry or a file does not exist.
    """
    files = tuple(files)
    modules = _closure(tuple(entries), without, files, project)
    others = (path for path in files if path.suffix != ".py")
    return fingerprint(
        sorted((name, source.code) for name, source in modules),
        sorted((path.name, digest(path.read_bytes())) for path in others),
    )


@dataclass(frozen=True)
class _Source:
    """A parsed module."""

    code: str
    imports: tuple[str, ...]
    """Dotted names that may be modules of this project."""


def _closure(
    entries: tuple[str, ...], without: Iterable[str], files: tuple[Path, ...], project: Path
) -> Iterator[tuple[str, _Source]]:
    """Yields every module that counts, once, with its name; a file with its file name."""
    excluded = tuple(f"{name}." for name in without)
    waiting = [name for entry in entries for name in _with_packages(entry)]
    for path in files:
        if path.suffix == ".py":
            source = _read(path.read_text(encoding="utf-8"), "")
            yield path.name, source
            waiting += source.imports
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen or f"{name}.".startswith(excluded):
            continue
        seen.add(name)
        located, package = _locate(name, project)
        if located is None:
            if name in entries:
                raise FileNotFoundError(f"There is no module {name} in {project}.")
            continue
        source = _read(located.read_text(encoding="utf-8"), package)
        yield name, source
        waiting += source.imports


def _locate(name: str, project: Path) -> tuple[Path | None, str]:
    """Returns a module's file and the package that its relative imports start from."""
    base = project.joinpath(*name.split("."))
    if (path := base / "__init__.py").is_file():
        return path, name
    path = base.with_suffix(".py")
    return (path if path.is_file() else None), name.rpartition(".")[0]


@functools.cache
def _read(text: str, package: str) -> _Source:
    code: list[str] = []
    imports: set[str] = set()
    _walk(ast.parse(text), package, code, imports)
    return _Source(digest("\n".join(code).encode()), tuple(sorted(imports)))


def _walk(node: ast.AST, package: str, code: list[str], imports: set[str]) -> None:
    """Appends a syntax tree to `code` and its possible modules of ours to `imports`.

    Skips docstrings and imports for type checkers. One walk does it all because a run waits for it:
    `ast.walk` and `ast.dump` take four times as long.
    """
    code.append(type(node).__name__)
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports.update(_imported(node, package))
    elif isinstance(node, ast.Constant):
        imports.update(_named_by(node.value))
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            _walk(value, package, code, imports)
        elif not isinstance(value, list):
            code.append(repr(value))
        else:
            code.append(field)
            for item in value:
                if not isinstance(item, ast.AST):
                    code.append(repr(item))
                elif not _is_for_readers(item):
                    _walk(item, package, code, imports)


def _is_for_readers(statement: ast.AST) -> bool:
    """Returns whether a statement is a string (a docstring) or an `if TYPE_CHECKING` block."""
    if isinstance(statement, ast.Expr):
        value = statement.value
        return isinstance(value, ast.Constant) and isinstance(value.value, str)
    if isinstance(statement, ast.If):
        return isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    return False


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Yields names that may be modules of ours; `_closure` checks that they exist."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _with_packages(alias.name)
        return
    base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    yield from _with_packages(base)
    if _is_ours(base):
        yield from (f"{base}.{alias.name}" for alias in node.names)


def _named_by(value: object) -> Iterator[str]:
    """Yields the modules that a string names for TFX or `python -m`."""
    if isinstance(value, str) and _MODULE_PATH.fullmatch(value):
        yield from _with_packages(value)
        yield f"{value}.__main__"


def _with_packages(name: str) -> Iterator[str]:
    """Yields a module of ours and its parent packages, which importing it runs too."""
    if _is_ours(name):
        parts = name.split(".")
        yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES
