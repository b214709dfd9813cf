"""`dogbreed compare`: variants as they are typed, their curves, their table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result as Invocation
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from components.evaluator.metrics import METRIC_BY_NAME
from foundation.errors import UserError
from ingestion.dataset import Dataset
from pipeline.cli.main import app
from pipeline.cli.train.compare import report_comparison
from pipeline.config.load import load_config
from pipeline.local.compare import Failed, Trained, read_variants
from pipeline.local.curves import draw_curves
from pipeline.local.observer import NodeStatus
from pipeline.local.run_pipeline import run
from tests.pipeline.conftest import tiny_settings
from trainer.training.history import CurvePoint, Epoch, eval_curve, read_history

_HEADER = "epoch,step,elapsed_s,loss,accuracy,val_loss,val_accuracy,learning_rate\n"


def _curve(*accuracies: float, epoch_s: float = 10.0) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(number * 7, number * epoch_s, accuracy)
        for number, accuracy in enumerate(accuracies, start=1)
    )


def test_settings_of_a_variant_end_where_another_key_begins() -> None:
    variants = read_variants(
        [
            "trainer.optimizer=sgd trainer.learning_rate=0.1",
            "  trainer.augment.train_px=[48, 64]   trainer.epochs=3 ",
            "",
        ]
    )

    first, second, third = (variant.config.trainer for variant in variants)
    assert (first.optimizer.name, first.learning_rate) == ("sgd", 0.1)
    assert (second.augment.train_px, second.epochs) == ((48, 64), 3)
    assert third == load_config().trainer
    assert [variant.label for variant in variants] == [
        "trainer.optimizer=sgd trainer.learning_rate=0.1",
        "trainer.augment.train_px=[48, 64] trainer.epochs=3",
        "as configured",
    ]


def test_label_leaves_out_what_all_variants_have() -> None:
    variants = read_variants(
        ["trainer.epochs=3 trainer.optimizer=sgd", "trainer.optimizer=adam trainer.epochs=3"]
    )

    assert [variant.label for variant in variants] == [
        "trainer.optimizer=sgd",
        "trainer.optimizer=adam",
    ]


def test_common_settings_hold_for_all_and_nothing_is_pushed() -> None:
    variants = read_variants(["trainer.epochs=3", "trainer.epochs=4"], ["trainer.seed=5"])

    assert [variant.config.trainer.seed for variant in variants] == [5, 5]
    assert not any(variant.config.pusher.enabled for variant in variants)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["trainer.epochs=3"], "two variants or more: repeat --set"),
        (
            ["trainer.epochs=3", "trainer.epoks=4"],
            r"Variant 2 \(trainer.epoks=4\).*\n.*mean epochs",
        ),
        (["trainer.epochs=3", "epochs"], r"Variant 2 \(epochs\): --set wants KEY=VALUE"),
        (["trainer.epochs=16", ""], r"Variant 2 \(as configured\): it comes to the same settings"),
        (["", "data.convert.seed=4"], r"Variant 2 .*data cannot differ between variants"),
        (["root=/tmp", ""], r"Variant 1 .*root cannot differ between variants"),
        (["trainer.a=3", "trainer.epochs=3", "trainer.b=4"], r"Variant 1 (.*\n)*Variant 3 "),
    ],
)
def test_mistake_is_told_with_its_variant_before_anything_is_trained(
    texts: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_variants(texts)


def test_mistake_in_what_all_share_is_told_once() -> None:
    with pytest.raises(UserError) as raised:
        read_variants(["trainer.epochs=3", "trainer.epochs=4"], ["trainer.epoks=3"])

    assert str(raised.value).count("epoks") == 1


@pytest.mark.parametrize("out", ["picture.jpeg", "picture", "."])
def test_picture_of_an_unknown_kind_is_refused(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(
        app, ["compare", "--set", "trainer.epochs=3", "--set", "trainer.epochs=4", "--out", out]
    )

    assert done.exit_code == 2
    assert "--out wants a file that ends in .png, .svg, .pdf" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_history_is_read_row_by_row(tmp_path: Path) -> None:
    rows = "1,4,2.5,1.7,0.2,,,0.003\n2,8,2.9,1.5,0.3,1.6,0.2,0.001\n"
    (tmp_path / "history.csv").write_text(_HEADER + rows)

    history = read_history(tmp_path)

    assert history == (
        Epoch(1, 4, 2.5, 1.7, 0.2, None, None, 0.003),
        Epoch(2, 8, 2.9, 1.5, 0.3, 1.6, 0.2, 0.001),
    )
    assert eval_curve(history) == (CurvePoint(8, 2.9, 0.2),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no history.csv.*--fresh"),
        (_HEADER, "has no epoch in it"),
        ("epoch,step\n1,4\n", "is damaged"),
        (_HEADER + "1,4,2.5,much,0.2,1.8,0.1,0.003\n", "is damaged .*much"),
        (_HEADER + "1,4,2.5\n", "is damaged"),
    ],
)
def test_history_that_is_none_is_one_clear_sentence(
    content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "history.csv").write_text(content)

    with pytest.raises(UserError, match=said):
        read_history(tmp_path)


def test_picture_names_every_variant_and_the_value_at_which_it_ends(tmp_path: Path) -> None:
    curves = {
        "trainer.optimizer=sgd": _curve(0.1, 0.3, 0.25),
        "trainer.augment.train_px=[48, 64]": _curve(0.2, 0.35),
        r"a $\formula$": _curve(0.25),
    }

    draw_curves(curves, "toys", tmp_path / "curves.svg")

    texts = re.findall("<!-- (.*) -->", (tmp_path / "curves.svg").read_text())
    for label in (
        "trainer.optimizer=sgd",
        "trainer.augment.train_px=[48, 64]",
        r"a $\formula$",
    ):
        assert label in texts
    assert texts.count("0.250") == 4  # two variants in two panels
    assert texts.count("0.350") == 2
    assert {"toys", "Training steps", "Training time (s)", "Eval accuracy"} <= set(texts)


@pytest.mark.parametrize(("epoch_s", "unit"), [(1, "s"), (600, "min")])
def test_time_is_shown_in_a_unit_that_suits_it(epoch_s: float, unit: str, tmp_path: Path) -> None:
    draw_curves({"a": _curve(0.1, 0.2, epoch_s=epoch_s)}, "toys", tmp_path / "curves.svg")

    assert f"<!-- Training time ({unit}) -->" in (tmp_path / "curves.svg").read_text()


def test_no_two_of_eight_lines_look_alike(tmp_path: Path) -> None:
    curves = {f"variant {number}": _curve(0.1, 0.1 * number) for number in range(8)}

    draw_curves(curves, "toys", tmp_path / "curves.svg")

    styles = re.findall(r'clip-path="[^"]*" style="(fill: none;[^"]*)"', _svg(tmp_path))
    looks = {
        (*re.findall("stroke: (#[0-9a-f]+)", style), *re.findall("dasharray: ([0-9.,]+)", style))
        for style in styles
        if "#b0b0b0" not in style  # the grid
    }
    assert len(looks) == 8
    assert len({look[1:] for look in looks}) == 4


def _svg(folder: Path) -> str:
    return (folder / "curves.svg").read_text()


def test_table_has_final_and_best_accuracy_and_says_what_failed() -> None:
    console = Console(file=io.StringIO(), width=120)
    figures = dict.fromkeys(METRIC_BY_NAME, 0.25)
    figures |= {"accuracy": 0.3, "top_5_accuracy": 0.8, "loss": 1.2}
    trained = Trained(
        "trainer.augment.train_px=[48,64]", figures, _curve(0.1, 0.4, 0.3, 0.4), training_s=40.0
    )

    report_comparison([trained, Failed("bad", "Trainer: nan")], Path("out/here.png"), console)

    said = console.file.getvalue()  # type: ignore[attr-defined]
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    assert rows[trained.label][:5] == ["0.300", "0.400", "14", "0.800", "1.200"]
    assert rows[trained.label][-2:] == ["40.0", "s"]
    assert rows["bad"] == ["failed"]
    assert "Failed: bad: Trainer: nan" in said
    assert "Nothing was pushed" in said
    assert "out/here.csv" in said


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


_VARIANTS = ("trainer.optimizer=sgd", "trainer.l2=1e38", "trainer.optimizer=adam trainer.epochs=1")


@pytest.fixture(scope="module")
def compared(root: Path, records: Dataset) -> Invocation:
    """Compares three variants, of which the second overflows."""
    return _compare(root, records, *_VARIANTS)


def _common(root: Path) -> list[str]:
    return [*tiny_settings(root), "name=toys", "trainer.epochs=2"]


def _compare(root: Path, records: Dataset, *variants: str) -> Invocation:
    options = [word for setting in _common(root) for word in ("--common", setting)]
    options += [word for variant in variants for word in ("--set", variant)]
    return CliRunner().invoke(
        app, ["compare", "--data", str(records.path), *options], env={"COLUMNS": "160"}
    )


def _figures(root: Path) -> Iterator[dict[str, str]]:
    newest = max(
        root.glob("comparisons/*/comparison.csv"), key=lambda path: path.stat().st_mtime_ns
    )
    with newest.open(newline="") as file:
        yield from csv.DictReader(file)


@pytest.mark.slow
@pytest.mark.long
def test_variant_that_fails_is_a_row_and_the_others_are_trained(
    compared: Invocation, root: Path
) -> None:
    assert compared.exit_code == 1
    sgd, overflowing, adam = _figures(root)
    assert [sgd["variant"], overflowing["variant"], adam["variant"]] == list(_VARIANTS)
    assert re.match("Trainer: .*The loss is (nan|inf) at step 1", overflowing["failure"])
    assert not overflowing["accuracy"]
    assert float(adam["accuracy"]) >= 0
    assert "Variant 3 of 3: trainer.optimizer=adam trainer.epochs=1" in compared.stdout
    assert f"Failed: {_VARIANTS[1]}: {overflowing['failure']}" in compared.stdout
    assert not (root / "served").exists()


@pytest.mark.slow
@pytest.mark.long
def test_picture_lies_beside_the_figures(compared: Invocation, root: Path) -> None:
    [picture] = root.glob("comparisons/*/comparison.png")

    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert image.width > image.height
    assert str(picture) in compared.stdout


@pytest.mark.slow
@pytest.mark.long
def test_figures_are_those_of_the_same_run_alone_which_reuses_it(
    compared: Invocation, root: Path, records: Dataset
) -> None:
    settings = [
        *_common(root), "trainer.optimizer=sgd", "pusher.enabled=false", "report.enabled=false"
    ]  # fmt: skip

    alone = run(load_config(None, settings, source=str(records.path)), Console(file=io.StringIO()))

    sgd = next(iter(_figures(root)))
    assert set(alone.display.nodes.values()) == {NodeStatus.REUSED}
    assert float(sgd["accuracy"]) == alone.outcome.figures["accuracy"]
    assert float(sgd["top_5_accuracy"]) == alone.outcome.figures["top_5_accuracy"]
    assert float(sgd["loss"]) == alone.outcome.figures["loss"]
    history = read_history(alone.outcome.training_logs)
    assert len(history) == 2
    assert history[-1].val_accuracy == pytest.approx(alone.outcome.figures["accuracy"], abs=1e-6)
    best = max(eval_curve(history), key=lambda point: (point.accuracy, -point.step))
    assert (float(sgd["best_accuracy"]), int(sgd["best_step"])) == (best.accuracy, best.step)
    assert float(sgd["training_s"]) == history[-1].elapsed_s


@pytest.mark.slow
@pytest.mark.long
def test_second_time_trains_nothing_and_says_the_same(
    compared: Invocation, root: Path, records: Dataset
) -> None:
    before = list(_figures(root))

    done = _compare(root, records, _VARIANTS[2], _VARIANTS[0])

    assert done.exit_code == 0
    assert list(_figures(root)) == [before[2], before[0]]
    assert len(list((root / "artifacts" / "Trainer" / "model").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.long
def test_training_without_a_curve_is_one_clear_sentence(
    compared: Invocation, root: Path, records: Dataset
) -> None:
    curves = list(root.glob("artifacts/Trainer/model_run/*/history.csv"))
    kept = {path: path.read_text() for path in curves}
    for path in curves:
        path.unlink()

    done = _compare(root, records, _VARIANTS[0], _VARIANTS[2])

    for path, text in kept.items():
        path.write_text(text)
    assert done.exit_code == 1
    assert "has no history.csv" in done.stderr
    assert "--fresh" in done.stderr
