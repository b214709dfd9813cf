from __future__ import annotations

import re
from pathlib import Path

from foundation.exit_codes import ExitCode

_README = Path(__file__).parents[2] / "README.md"


def test_readme_lists_every_exit_code_with_its_meaning() -> None:
    _, after_heading = _README.read_text(encoding="utf-8").split("| Exit code | Meaning |\n")
    table, _, _ = after_heading.partition("\n\n")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)

    assert rows == [(str(code.value), code.meaning) for code in ExitCode]
