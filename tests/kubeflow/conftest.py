from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.dataset import Dataset
from pipeline.config.load import load_config
from pipeline.kubeflow.package import Package
from tests.pipeline.conftest import records as tiny_records
from tests.pipeline.conftest import tiny_settings

CompileTiny = Callable[..., Package]


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The tiny records of tests/pipeline."""
    make: Callable[[pytest.TempPathFactory], Dataset] = tiny_records.__wrapped__  # type: ignore[attr-defined]
    return make(tmp_path_factory)


@pytest.fixture(scope="session")
def compile_tiny() -> CompileTiny:
    """Compiles the tiny pipeline of tests/pipeline, with overrides."""

    from pipeline.kubeflow.compile import compile_package  # imports TFX, which quick tests spare

    def compile_with(*overrides: str) -> Package:
        return compile_package(load_config(None, [*tiny_settings(Path("/here")), *overrides]))

    return compile_with


@pytest.fixture(scope="session")
def package(compile_tiny: CompileTiny) -> Package:
    """The tiny pipeline as it is."""
    return compile_tiny()
