"""Writes requirements.lock anew from pyproject.toml, changing no more than has to change.

    make lock                              add and drop what pyproject.toml asks for; keep the rest
    make lock ARGS="--upgrade typer rich"  and take the newest of these
    make lock ARGS=--upgrade               and take the newest of everything

uv resolves the stacks of all Pythons at once, in a temporary folder: its own uv.lock records where
each file was downloaded from, so it is never committed. What is locked now is handed to uv as
constraints; without a change in pyproject.toml the file stays as it is, to the byte.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = "requirements.lock"
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^ ]+)(?: ; (?P<marker>.*?))? \\$")
_PYTHON = re.compile(r"python_full_version [<>=!]+ '[^']+'")
_SETTINGS = "[tool.uv]\n"


def constraints(lock: str, upgraded: set[str]) -> Iterator[str]:
    """Yields a constraint for each locked version.

    A marker is kept only where a package has several versions, and of it only what it says about
    Python's version: uv would try every combination of the other conditions, PyPy's too.

    Args:
        lock: the lock file's text.
        upgraded: packages that get no constraint.
    """
    pins = [match for line in lock.splitlines() if (match := _PIN.match(line))]
    num_versions = Counter(pin["name"] for pin in pins)
    for pin in pins:
        if pin["name"] in upgraded:
            continue
        requirement = f"{pin['name']}=={pin['version']}"
        if num_versions[pin["name"]] > 1:
            requirement += f" ; {' and '.join(_PYTHON.findall(pin['marker']))}"
        yield requirement


def update(upgraded: set[str] | None) -> None:
    """Writes the lock file.

    Args:
        upgraded: packages whose newest version is taken; None means all.
    """
    kept = [] if upgraded is None else list(constraints((ROOT / LOCK).read_text(), upgraded))
    settings = (ROOT / "pyproject.toml").read_text()
    if _SETTINGS not in settings:
        sys.exit("pyproject.toml has no [tool.uv]: the constraints have nowhere to go.")
    listed = "".join(f'    "{requirement}",\n' for requirement in kept)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, project)
        (project / "pyproject.toml").write_text(
            settings.replace(_SETTINGS, f"{_SETTINGS}constraint-dependencies = [\n{listed}]\n")
        )
        subprocess.run([uv, "lock", "--quiet", "--python", sys.executable], cwd=project, check=True)
        export = [uv, "export", "--format", "requirements.txt", "--no-emit-project", "--all-groups"]
        subprocess.run(
            [*export, "--quiet", "-o", LOCK],
            cwd=project,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.copy(project / LOCK, ROOT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--upgrade",
        nargs="*",
        metavar="PACKAGE",
        help="take the newest version of these packages; of all where none is named",
    )
    named = parser.parse_args().upgrade
    update(None if named == [] else set(named or ()))
