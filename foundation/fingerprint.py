"""Fingerprints: short hashes that tell whether values, files or code are still the same.

The fingerprint of code covers every module of this project that an entry module runs. Imports are
found by reading, not by importing, so that it takes no TensorFlow. Docstrings and comments do not
count.
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
"""Folder of this project's packages."""
PACKAGES = ("foundation", "ingestion", "trainer", "serving", "components")
"""Those of them whose code nodes run. `pipeline` only connects and starts nodes, and hands them
settings as properties."""
_DIGITS = 16  # hexadecimal; 64 bits tell apart whatever one project ever is
_MODULE_PATH = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")


def digest(content: bytes, digits: int = _DIGITS) -> str:
    """Returns the start of the SHA-256 of `content`, `digits` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()[:digits]


def fingerprint(*parts: Any) -> str:
    """Returns the fingerprint of values that JSON can write."""
    return digest(json.dumps(parts).encode())


def code_fingerprint(
    entries: Iterable[str],
    *,
    without: Iterable[str] = (),
    files: Iterable[Path] = (),
    project: Path = PROJECT,
) -> str:
    """Returns the fingerprint of code.

    What counts is all that the entries import, at the top or within a function, and every module
    that a string names, as in `python -m MODULE` or in a path that TFX imports. Imports for the
    type checker alone do not count.

    Args:
        entries: dotted names of the modules that are run.
        without: modules and packages that do not count, nor what only they import.
        files: files that count too. Those in Python are read as modules are, by their imports too.
        project: folder of the packages.

    Raises:
        FileNotFoundError: an entry or a file is not there.
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
    """What a module's text says."""

    code: str
    """Digest of its code."""
    imports: tuple[str, ...]
    """Dotted names that may be modules of ours."""


def _closure(
    entries: tuple[str, ...], without: Iterable[str], files: tuple[Path, ...], project: Path
) -> Iterator[tuple[str, _Source]]:
    """Yields every module that counts, once, by its name; a file by its own."""
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
    """Finds a module's file, and the package that its relative imports start from."""
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
    """Writes down a syntax tree without what is for readers and type checkers alone.

    One walk does it all, because a run waits for it: `ast.walk` and `ast.dump` take four times as
    long.

    Args:
        node: where the tree begins.
        package: the one that relative imports start from.
        code: is added to, an entry for each node and value.
        imports: is added to: dotted names that may be modules of ours.
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
    """Says whether nothing is run: a docstring, also an attribute's, or imports for types alone."""
    if isinstance(statement, ast.Expr):
        value = statement.value
        return isinstance(value, ast.Constant) and isinstance(value.value, str)
    if isinstance(statement, ast.If):
        return isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    return False


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Yields what may be modules of ours; whether they are there is looked at later."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _with_packages(alias.name)
        return
    base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    yield from _with_packages(base)
    if _is_ours(base):
        yield from (f"{base}.{alias.name}" for alias in node.names)


def _named_by(value: object) -> Iterator[str]:
    """Yields the modules that a string may name, which TFX or `python -m` is given."""
    if isinstance(value, str) and _MODULE_PATH.fullmatch(value):
        yield from _with_packages(value)
        yield f"{value}.__main__"


def _with_packages(name: str) -> Iterator[str]:
    """Yields a module of ours and the packages around it, all of which are run."""
    if _is_ours(name):
        parts = name.split(".")
        yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES
