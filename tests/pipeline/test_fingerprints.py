"""Which nodes an edit of the code concerns: all that run it, and no other."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from foundation.fingerprint import PACKAGES, PROJECT
from ingestion.dataset import Dataset
from pipeline.config.config import Config
from pipeline.config.load import load_config
from pipeline.config.nodes import NODES
from pipeline.pipeline import create_pipeline
from pipeline.plan import make_plan
from tests.pipeline.conftest import tiny_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the packages."""
    copied = tmp_path / "project"
    for name in (*PACKAGES, "pipeline", "configs"):
        shutil.copytree(PROJECT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def _fingerprints(project: Path) -> dict[str, str]:
    return {node.name: node.fingerprint(project=project) for node in NODES.values() if node.code}


def _edit_function(path: Path) -> None:
    """Adds a statement to the last function of a module."""
    text = path.read_text()
    functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)]
    last = max(functions, key=lambda each: each.lineno).body[-1]
    lines = text.splitlines(keepends=True)
    lines.insert(last.lineno - 1, " " * last.col_offset + "edited = True\n")
    path.write_text("".join(lines))


def _edit_words(path: Path) -> None:
    """Changes every docstring of a module that stands at the beginning of a line."""
    text = re.sub(r'^( *)"""(?=[A-Z])', r'\1"""Put otherwise. ', path.read_text(), flags=re.M)
    path.write_text(f"# A comment.\n\n{text}")


@pytest.mark.parametrize(
    ("module", "concerned"),
    [
        ("components/curated_schema.py", {"CuratedSchema"}),
        ("components/example_validator.py", {"ExampleValidator", "Report"}),
        ("trainer/training/optimizer.py", {"Tuner", "Trainer"}),
        # Its settings stand in the same file, and these two read them. A new model reaches both.
        ("trainer/networks/residual.py", {"Tuner", "Trainer", "Pusher", "Report"}),
        ("trainer/tuning/search.py", {"Tuner"}),
        ("trainer/pictures/sheet.py", {"Trainer"}),
        ("trainer/export/export.py", {"Trainer"}),
        ("components/baseline.py", {"Baseline", "Evaluator", "Report"}),
        ("components/evaluator/extractors.py", {"Evaluator"}),
        ("components/evaluator/picture_changes.py", {"Evaluator"}),
        ("components/evaluator/confusion_metrics.py", {"Evaluator"}),
        ("components/evaluator/metrics.py", {"Evaluator", "Pusher", "Report"}),
        ("components/evaluator/slices.py", {"Evaluator"}),
        ("components/evaluator/answers.py", {"Evaluator"}),
        ("components/canary/server.py", {"Canary"}),
        ("serving/model_server/rest/server.py", {"Canary"}),
        ("components/pusher/card.py", {"Pusher"}),
        ("components/report/page/page.py", {"Report"}),
        ("serving/client/async_client.py", set()),
        ("pipeline/local/runner.py", set()),
    ],
)
def test_an_edit_of_a_function_concerns_the_nodes_that_run_it(
    module: str, concerned: set[str], project: Path
) -> None:
    before = _fingerprints(project)

    _edit_function(project / module)

    after = _fingerprints(project)
    assert {name for name in after if after[name] != before[name]} == concerned


def test_an_edit_of_preprocessing_concerns_transform_and_training(project: Path) -> None:
    before = _fingerprints(project)

    _edit_function(project / "trainer/preprocessing/transform.py")

    after = _fingerprints(project)
    changed = {name for name in after if after[name] != before[name]}
    assert changed >= {"Transform", "Tuner", "Trainer"}
    assert not changed & {"CuratedSchema", "ExampleValidator", "Baseline", "Evaluator"}


def test_an_edit_of_the_page_s_style_concerns_the_report(project: Path) -> None:
    before = _fingerprints(project)

    style = next((project / "components/report/page/templates").glob("*.css"))
    style.write_text(style.read_text() + "p { color: red; }\n")

    after = _fingerprints(project)
    assert {name for name in after if after[name] != before[name]} == {"Report"}


def test_an_edit_of_docstrings_and_comments_concerns_no_node(project: Path) -> None:
    before = _fingerprints(project)

    for name in PACKAGES:
        for path in (project / name).rglob("*.py"):
            _edit_words(path)

    assert '"""Put otherwise. ' in (project / "trainer/pictures/sheet.py").read_text()
    assert _fingerprints(project) == before


@pytest.mark.parametrize(
    ("module", "same"),
    [
        ("trainer/pictures/sheet.py", {"recipe", "checkpoints"}),
        ("trainer/export/export.py", {"checkpoints"}),
        ("trainer/tuning/search.py", {"recipe", "checkpoints"}),
        ("trainer/training/run_fn.py", set()),
        ("trainer/training/augment.py", set()),
        ("trainer/preprocessing/transform.py", set()),
        ("components/evaluator/confusion_metrics.py", {"recipe", "checkpoints"}),
    ],
)
def test_checkpoints_outlast_edits_that_do_not_change_weights(
    module: str, same: set[str], project: Path
) -> None:
    before = _planned(project)

    _edit_function(project / module)

    after = _planned(project)
    assert {name for name in after if after[name] == before[name]} == same


def _planned(project: Path) -> dict[str, str]:
    code = (
        "import json; from pipeline.config.config import Config; "
        "from pipeline.plan import make_plan; plan = make_plan(Config(), None); "
        "print(json.dumps({'recipe': plan.recipe, 'checkpoints': str(plan.work_dir)}))"
    )
    planned: dict[str, str] = json.loads(_python(project, code))
    return planned


def _python(project: Path, code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    "overrides", [["tuner.trials=2"], ["data.infer_schema=true", "pusher.enabled=false"]]
)
def test_every_node_with_code_of_ours_has_its_fingerprint_among_its_properties(
    overrides: list[str],
) -> None:
    config = load_config(None, overrides)
    plan = make_plan(config, None)

    dag = create_pipeline(config, plan)

    named = [node.id for node in dag.components]
    assert named == [name for name in NODES if name in named]
    assert {"Transform", "Trainer", "Evaluator", "Report"} <= {*named}
    for node in dag.components:
        assert _code_property(node.exec_properties) == plan.code.get(node.id)


def _code_property(properties: dict[str, Any]) -> str | None:
    custom = json.loads(properties.get("custom_config") or "null") or {}
    return properties.get("code", custom.get("code"))


def test_table_of_nodes_names_code_and_files_that_there_are() -> None:
    for node in NODES.values():
        for pattern in node.files:
            assert list(PROJECT.glob(pattern))
    assert set(make_plan(Config(), None).code) == {n.name for n in NODES.values() if n.code}


@pytest.mark.long
@pytest.mark.slow
def test_an_edited_metric_is_evaluated_anew_with_the_same_model(
    project: Path, records: Dataset, tmp_path: Path
) -> None:
    def run() -> dict[str, str]:
        arguments = ["run", "--data", str(records.path)]
        for setting in tiny_settings(tmp_path / "root"):
            arguments += ["--set", setting]
        said = _python(project, "from pipeline.cli.main import main; main()", *arguments)
        return dict(re.findall(r"^(\w+): (\w+) in [\d.]+ s$", said, re.M))

    first = run()
    _edit_function(project / "components/evaluator/confusion_metrics.py")
    second = run()
    _edit_words(project / "components/evaluator/confusion_metrics.py")
    third = run()

    anew = {"Evaluator", "Canary", "Pusher", "Report"}
    assert set(first.values()) == {"ran"}
    assert {name for name, status in second.items() if status == "ran"} == anew
    assert {"Transform", "Trainer", "Baseline"} <= set(second) - anew
    assert set(third.values()) == {"reused"}
