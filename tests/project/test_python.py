"""The names that packages offer, and the example of docs/python.md."""

from __future__ import annotations

import ast
import importlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.conftest import ROOT

_PACKAGES = ("ingestion", "pipeline", "serving", "trainer")
_IMPORTED = ("ingestion", pytest.param("pipeline", marks=pytest.mark.slow), "serving", "trainer")
_DOCUMENT = ROOT / "docs" / "python.md"


def _typed_names(package: str) -> dict[str, str]:
    """Names that a type checker sees in a package, with the module that it reads them from."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(each.module) for each in imports for alias in each.names}


@pytest.mark.parametrize("package", _IMPORTED)
def test_offered_names_are_those_that_type_checkers_see(package: str) -> None:
    typed = _typed_names(package)

    assert typed
    for name, module in typed.items():
        offered = getattr(importlib.import_module(package), name)
        assert offered is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("package", _PACKAGES)
def test_offered_names_are_those_in_the_documentation(package: str) -> None:
    [row] = re.findall(rf"^\| `{package}` \| (.*) \|$", _DOCUMENT.read_text(), re.MULTILINE)

    assert set(re.findall(r"`(\w+)`", row)) == set(_typed_names(package))


@pytest.mark.parametrize("package", _PACKAGES)
def test_name_that_a_package_lacks_is_an_import_error(package: str) -> None:
    with pytest.raises(ImportError, match="cannot import name 'bark'"):
        exec(f"from {package} import bark")


def test_importing_the_packages_imports_nothing_heavy() -> None:
    code = (
        f"import sys, {', '.join(_PACKAGES)}\n"
        "print({'tensorflow', 'numpy', 'PIL', 'grpc', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


@pytest.mark.long
@pytest.mark.slow
def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    fence = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    [example] = fence.findall(_DOCUMENT.read_text())
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    assert example.count("8500") == 2
    (tmp_path / "example.py").write_text(example.replace("8500", str(port)))
    commands = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path, env=os.environ | {"PATH": commands, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"6 breeds, 1[678]\d train pictures", done.stdout)
    assert "accuracy " in done.stdout
    guesses = re.findall(r"^\S+/(\d)\.jpg Guess\(breed='Toy", done.stdout, re.MULTILINE)
    assert guesses == list("012345")
