from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Before TensorFlow is imported anywhere: its start-up notes would drown the tests' own output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Before gRPC is: a test that has a server of its own and starts a child must not have gRPC meddle
# with the fork, which kills some children before they have begun.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import numpy as np
import pytest
from PIL import Image

_SLOW_MODULE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves slow modules unread where slow tests are not wanted: TFX takes seconds to import."""
    if config.option.markexpr != "not slow":
        return None
    is_folder = collection_path.is_dir()
    modules = list(collection_path.rglob("test_*.py")) if is_folder else [collection_path]
    if not modules or any(module.suffix != ".py" for module in modules):
        return None
    return all(_SLOW_MODULE.search(module.read_text()) for module in modules) or None


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Debian's Chromium. Not for the whole session: while it runs, asyncio has a loop under way."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium: on Debian, apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


WriteModule = Callable[[str, str], Path]
"""From a module's name, with / for a package's, and its code to its file."""


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Writes modules to a folder that is the current one for the length of a test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    before = set(sys.modules)

    def write(name: str, code: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def photograph() -> Image.Image:
    """A lopsided picture with smooth colour and texture, as a photograph has: 90 wide, 61 high."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:61, 0:90]
    smooth = np.stack([x * 2, y * 4, (x + y)], axis=-1) % 256
    noisy = smooth + rng.normal(0, 6, smooth.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
