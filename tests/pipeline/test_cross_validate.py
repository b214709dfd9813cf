"""`dogbreed run --folds`: every fold once, what is reused, and the figures over all of them."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import pipeline.local.cross_validate
from components.evaluator.metrics import METRIC_BY_NAME
from components.evaluator.results.answer_table import read_answer_table
from foundation.errors import RunFailedError, UserError
from ingestion.conversion import convert
from ingestion.dataset import Dataset
from ingestion.options import ConvertOptions
from ingestion.toy_dogs.sample import write_sample
from pipeline.cli.main import app
from pipeline.cli.train.folds import report_folds, write_folds
from pipeline.cli.train.run import report_run
from pipeline.config.config import Config
from pipeline.config.load import load_config
from pipeline.history.read_runs import read_history
from pipeline.history.reviewed_run import find_reviewed_run
from pipeline.local.cross_validate import FoldResult, cross_validate, results_path, spread
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import FinishedRun, run
from tests.pipeline.conftest import tiny_settings

_NUM_PICTURES = 72


def _fold(fold: int, accuracy: float, *missed_bounds: str) -> FoldResult:
    return FoldResult(
        fold=fold,
        figures={
            **dict.fromkeys(METRIC_BY_NAME, 0.0),
            "accuracy": accuracy,
            "top_5_accuracy": accuracy + 0.1,
            "loss": 2 - accuracy,
        },
        num_train_examples=40 + fold,
        num_eval_examples=20 - fold,
        training_s=60.0 + fold,
        missed_bounds=missed_bounds,
        reused=False,
    )


_THREE = [_fold(0, 0.2), _fold(1, 0.4, "accuracy 0.400 misses its bound 0.500"), _fold(2, 0.9)]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_spread_is_mean_and_sample_standard_deviation() -> None:
    # By hand: deviations -0.3, -0.1 and 0.4; their squares add up to 0.26, over 3 - 1 is 0.13.
    measured = spread([0.2, 0.4, 0.9])

    assert measured.mean == pytest.approx(0.5)
    assert measured.deviation == pytest.approx(0.13**0.5)


def test_table_shows_every_fold_with_mean_and_spread_and_says_that_nothing_was_pushed() -> None:
    console = Console(file=io.StringIO(), width=120)

    report_folds(_THREE, Path("here.csv"), console)

    said = console.file.getvalue()  # type: ignore[attr-defined]
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    assert rows["fold-1"][:3] == ["0.400", "0.500", "1.600"]
    assert rows["fold-1"][-5:] == ["41", "19", "1:01", "min", "missed"]
    assert rows["fold-2"][-1] == "kept"
    assert rows["Mean"][:3] == ["0.500", "0.600", "1.500"]
    assert rows["Mean"][-2:] == ["1:01", "min"]
    assert rows["Standard"][:4] == ["deviation", "0.361", "0.361", "0.361"]
    assert "0.500 ± 0.361 over 3 folds (mean and sample standard deviation)" in said
    assert "Nothing was pushed" in said
    assert "here.csv" in said


def test_file_has_a_row_a_fold_and_mean_and_spread_below_them(tmp_path: Path) -> None:
    path = tmp_path / "cross-validation.csv"

    write_folds(_THREE, path)

    rows = _rows(path)
    assert [row["fold"] for row in rows] == ["0", "1", "2", "mean", "standard deviation"]
    assert [row["bounds_kept"] for row in rows[:3]] == ["true", "false", "true"]
    assert float(rows[3]["accuracy"]) == pytest.approx(0.5)
    assert float(rows[4]["loss"]) == pytest.approx(0.13**0.5)
    assert float(rows[3]["training_s"]) == pytest.approx(61)


def test_file_of_a_single_finished_fold_has_no_spread_yet(tmp_path: Path) -> None:
    write_folds(_THREE[:1], tmp_path / "one.csv")

    assert [row["fold"] for row in _rows(tmp_path / "one.csv")] == ["0"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--folds", "1"], 2, "--folds"),
        (["--folds", "11"], 2, "--folds"),
        (["--folds", "3", "--set", "data.fold=0"], 2, "leave one of the two out"),
        (["--folds", "3", "--set", "data.convert.split=every-5th"], 2, "drop --folds"),
    ],
)
def test_folds_that_make_no_sense_are_refused(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["run", "--set", f"root={tmp_path / 'root'}", *arguments])

    assert done.exit_code == code
    assert said in done.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.slow
@pytest.mark.long
def test_records_without_folds_are_refused(records: Dataset, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"have no folds but the splits train and eval; .*--folds 3"
    ):
        _cross_validate(_config(tmp_path / "root", records.path, 3))


@pytest.mark.slow
@pytest.mark.long
def test_records_with_another_number_of_folds_are_refused(archive: Path, tmp_path: Path) -> None:
    made = convert(str(archive), tmp_path / "records", ConvertOptions(folds=2))

    with pytest.raises(UserError, match=r"have 2 folds, not 3: say --folds 2"):
        _cross_validate(_config(tmp_path / "root", made.path, 3))


def test_more_folds_than_pictures_of_a_breed_are_refused(tmp_path: Path) -> None:
    few = write_sample(tmp_path / "pictures", per_breed=2, size_px=48)

    done = CliRunner().invoke(
        app, ["run", "--data", str(few), "--folds", "5", "--set", f"root={tmp_path / 'root'}"]
    )

    assert done.exit_code == 1
    assert "Each class needs 5 pictures" in done.stderr
    assert "Toy Beagle (2)" in done.stderr


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("pictures"), per_breed=12, size_px=48)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def first(root: Path, archive: Path) -> tuple[list[FoldResult], list[list[int]], str]:
    """Cross-validates over two folds; returns results, folds at each report, and what was said."""
    return _cross_validate(_config(root, archive, 2))


def _settings(root: Path) -> list[str]:
    return [*tiny_settings(root), "name=toys", "trainer.epochs=1"]


def _config(root: Path, source: Path, num_folds: int) -> Config:
    folds = f"data.convert.folds={num_folds}"
    return load_config(None, [*_settings(root), folds], source=str(source))


def _cross_validate(config: Config) -> tuple[list[FoldResult], list[list[int]], str]:
    console = Console(file=io.StringIO(), width=160)
    reported: list[list[int]] = []

    def ended(results: Sequence[FoldResult]) -> None:
        reported.append([result.fold for result in results])

    num_folds = config.data.convert.folds
    assert num_folds is not None
    results = cross_validate(config, num_folds, console, ended)
    return results, reported, console.file.getvalue()  # type: ignore[attr-defined]


def _fold_alone(root: Path, archive: Path, fold: int) -> tuple[Config, FinishedRun]:
    overrides = ["data.convert.folds=2", f"data.fold={fold}", "pusher.enabled=false"]
    config = load_config(None, [*_settings(root), *overrides], source=str(archive))
    return config, run(config, Console(file=io.StringIO()))


@pytest.mark.slow
@pytest.mark.long
def test_every_picture_is_evaluated_on_once_by_a_model_that_never_saw_it(
    first: tuple[list[FoldResult], list[list[int]], str], root: Path
) -> None:
    results, reported, said = first
    import tensorflow as tf

    assert sum(result.num_eval_examples for result in results) == _NUM_PICTURES
    for result in results:
        assert result.num_train_examples == _NUM_PICTURES - result.num_eval_examples
    trained_on = [
        sum(1 for _ in tf.data.TFRecordDataset([str(path) for path in files], "GZIP"))
        for folder in sorted(root.glob("artifacts/Transform/transformed_examples/*"))
        if (files := list(folder.glob("Split-train/*.gz")))
    ]
    assert sorted(trained_on) == sorted(result.num_train_examples for result in results)
    assert reported == [[0], [0, 1]]
    assert "Fold 1 of 2" in said
    assert "Fold 2 of 2" in said
    assert not (root / "served").exists()


@pytest.mark.slow
@pytest.mark.long
def test_fold_is_the_run_with_that_fold_and_is_shared_with_it(
    first: tuple[list[FoldResult], list[list[int]], str], root: Path, archive: Path
) -> None:
    config, alone = _fold_alone(root, archive, 1)

    result = first[0][1]
    ran = {name for name, status in alone.display.nodes.items() if status is NodeStatus.RAN}
    assert ran == {"Report"}  # which folds do without
    assert alone.report_path is not None
    assert "Blessed, not pushed" in alone.report_path.read_text()
    assert result.figures["accuracy"] == alone.outcome.figures["accuracy"]
    assert result.figures["top_5_accuracy"] == alone.outcome.figures["top_5_accuracy"]
    assert result.figures["loss"] == alone.outcome.figures["loss"]
    [*_, last] = _rows(alone.outcome.training_logs / "history.csv")
    assert result.training_s == float(last["elapsed_s"])

    console = Console(file=io.StringIO(), width=160)
    report_run(config, alone, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert not {"Baseline", "Pusher"} & set(alone.display.nodes)
    assert alone.outcome.pushed_path is None
    assert alone.outcome.blessed
    assert "Blessed, not pushed, because pusher.enabled is false" in said


@pytest.mark.slow
@pytest.mark.long
def test_review_asks_about_every_picture(
    first: tuple[list[FoldResult], list[list[int]], str], root: Path
) -> None:
    reviewed = find_reviewed_run(read_history(root), "1")

    assert len(reviewed.evaluations) == 2
    assert reviewed.num_answered == _NUM_PICTURES
    names = [name for each in reviewed.evaluations for name in read_answer_table(each).filenames]
    assert len(set(names)) == _NUM_PICTURES


@pytest.mark.slow
@pytest.mark.long
def test_second_time_reuses_every_fold(
    first: tuple[list[FoldResult], list[list[int]], str], root: Path, archive: Path
) -> None:
    results, _, said = _cross_validate(_config(root, archive, 2))

    assert [result.reused for result in first[0]] == [False, False]
    assert results == [dataclasses.replace(result, reused=True) for result in first[0]]
    assert "Trainer: ran" not in said


@pytest.mark.slow
@pytest.mark.long
def test_fold_that_fails_keeps_those_before_it_and_is_named(
    first: tuple[list[FoldResult], list[list[int]], str],
    root: Path,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_at_second(config: Config, console: Console) -> FinishedRun:
        if config.data.fold == 1:
            raise RunFailedError("Trainer", "out of luck", root / "logs" / "this.log")
        return run(config, console)

    monkeypatch.setattr(pipeline.local.cross_validate, "run", fail_at_second)
    config = _config(root, archive, 2)
    kept: list[int] = []

    with pytest.raises(UserError, match="Fold 2 of 2: Trainer failed: out of luck") as raised:
        cross_validate(config, 2, Console(file=io.StringIO()), lambda done: kept.append(len(done)))

    assert "the same command goes on from here" in str(raised.value)
    assert kept == [1]


@pytest.mark.slow
@pytest.mark.long
def test_missed_bound_is_shown_and_is_no_failure(
    first: tuple[list[FoldResult], list[list[int]], str], root: Path, archive: Path
) -> None:
    settings = [*_settings(root), "evaluator.min_accuracy=1"]
    options = [word for setting in settings for word in ("--set", setting)]

    done = CliRunner().invoke(
        app, ["run", "--data", str(archive), "--folds", "2", *options], env={"COLUMNS": "160"}
    )

    assert done.exit_code == 0
    worse = first[0][0]
    assert f"accuracy {worse.figures['accuracy']:.3f} misses its bound 1.000" in done.stdout
    rows = _rows(results_path(load_config(None, _settings(root))))
    assert [row["bounds_kept"] for row in rows] == ["false", "false", "", ""]
    assert [float(row["accuracy"]) for row in rows[:2]] == [
        each.figures["accuracy"] for each in first[0]
    ]
