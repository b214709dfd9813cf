"""What a command tells the user to do next."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console


def as_typed(*arguments: str | Path) -> str:
    """Returns a `dogbreed` command of this environment, activated or not, quoted for a shell."""
    program = Path(sys.executable).with_name("dogbreed")
    if shutil.which(program.name):
        program = Path(program.name)
    elif program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    return shlex.join(map(str, (program, *arguments)))


def say_next(console: Console, *commands: str) -> None:
    """Prints command lines to paste, whatever brackets their paths hold."""
    lines = "\n".join(f"  {command}" for command in commands)
    console.print(f"Next:\n{lines}", markup=False, highlight=False, soft_wrap=True)
