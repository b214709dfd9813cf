"""What counts as the code of a module, on packages of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.fingerprint import code_fingerprint


@pytest.fixture
def project(tmp_path: Path) -> Path:
    _write(tmp_path, "trainer/__init__.py", "")
    _write(tmp_path, "trainer/entry.py", "def entry() -> int:\n    return 1\n")
    _write(tmp_path, "trainer/other.py", "OTHER = 1\n")
    _write(tmp_path, "serving/__init__.py", "")
    _write(tmp_path, "serving/__main__.py", "print('serving')\n")
    _write(tmp_path, "serving/server/__init__.py", "")
    _write(tmp_path, "serving/server/__main__.py", "print('serving')\n")
    return tmp_path


def _write(project: Path, name: str, text: str) -> None:
    path = project / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def _code(project: Path) -> str:
    return code_fingerprint(["trainer.entry"], project=project)


@pytest.mark.parametrize(
    "text",
    [
        '"""A module."""\n\ndef entry() -> int:\n    """Returns one."""\n    return 1\n',
        "def entry() -> int:  # a comment\n\n    return (\n        1\n    )\n",
        "if TYPE_CHECKING:\n    import trainer.other\ndef entry() -> int:\n    return 1\n",
    ],
)
def test_words_line_breaks_and_imports_for_types_do_not_count(project: Path, text: str) -> None:
    before = _code(project)

    _write(project, "trainer/entry.py", text)

    assert _code(project) == before


@pytest.mark.parametrize(
    "text",
    [
        "import trainer.other\n",
        "from trainer import other\n",
        "from trainer.other import OTHER\n",
        "from . import other\n",
        "from .other import OTHER\n",
        "def entry():\n    from trainer.other import OTHER\n",
        "entry = 'trainer.other'\n",
        "entry = 'trainer.other.OTHER'\n",
    ],
)
def test_a_module_counts_however_it_is_named(project: Path, text: str) -> None:
    _write(project, "trainer/entry.py", text)
    before = _code(project)

    _write(project, "trainer/other.py", "OTHER = 2\n")

    assert _code(project) != before


@pytest.mark.parametrize("changed", ["serving/__init__.py", "serving/server/__main__.py"])
def test_a_package_that_is_run_counts_and_so_does_the_one_around_it(
    project: Path, changed: str
) -> None:
    _write(project, "trainer/entry.py", "command = ['python', '-m', 'serving.server']\n")
    before = _code(project)

    _write(project, changed, "print('other')\n")

    assert _code(project) != before


def test_what_is_left_out_does_not_count_nor_what_it_alone_imports(project: Path) -> None:
    _write(project, "trainer/entry.py", "import serving.server\n")
    _write(project, "serving/server/__init__.py", "import trainer.other\n")
    before = code_fingerprint(["trainer.entry"], without=["serving.server"], project=project)

    _write(project, "serving/server/__init__.py", "import trainer.other\nprint()\n")
    _write(project, "trainer/other.py", "OTHER = 2\n")

    after = code_fingerprint(["trainer.entry"], without=["serving.server"], project=project)
    assert after == before


def test_files_of_the_user_count_with_what_they_import(project: Path, tmp_path: Path) -> None:
    mine, page = tmp_path / "mine.py", tmp_path / "page.html"
    mine.write_text("import trainer.other\n")
    page.write_text("<p>")

    def code() -> str:
        return code_fingerprint(["trainer.entry"], files=[mine, page], project=project)

    codes = [code()]
    mine.write_text("import trainer.other\n# a comment\n")
    assert code() == codes[0]
    mine.write_text("import trainer.other\nmine = 1\n")
    codes.append(code())
    page.write_text("<p>Dogs")
    codes.append(code())
    _write(project, "trainer/other.py", "OTHER = 2\n")
    codes.append(code())

    assert len(set(codes)) == len(codes)


def test_an_entry_that_is_not_there_is_an_error(project: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"trainer\.gone"):
        code_fingerprint(["trainer.gone"], project=project)
