from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.proto import pusher_pb2
from tfx.types import Artifact, standard_artifacts
from tfx.utils import path_utils, proto_utils

from components.pusher.component import PusherExecutor
from foundation.errors import UserError
from foundation.versions import ABOUT_FILE, MODEL_CARD_FILE, STATISTICS_DIR, list_versions
from tests.components.known_answers import BREEDS, evaluate_known
from trainer.export.model_card import HOW_GOOD, UNTIL_PUSHED, ModelFacts, model_card
from trainer.preprocessing.image import TransformConfig
from trainer.training.config import TrainerConfig
from trainer.training.history import Epoch
from trainer.training.input import Split

pytestmark = pytest.mark.slow

_MODEL_BYTES = 600_000
_FACTS = ModelFacts(
    breeds=BREEDS,
    config=TrainerConfig(),
    transform=TransformConfig(),
    train_split=Split((), (1,)),
    eval_split=Split((), (1,)),
    history=[Epoch(1, 10, 3.5, 1.0, 0.1, 2.0, 0.2, 0.1)],
    parameters=1,
    data="data",
    recipe="recipe",
)


def _model(folder: Path, trained: str | None) -> standard_artifacts.Model:
    weights, recipe = (trained or "some none").split()
    model = standard_artifacts.Model()
    model.uri = str(folder)
    serving = Path(path_utils.serving_model_dir(model.uri))
    if not serving.exists():
        (serving / "variables").mkdir(parents=True)
        variables = random.Random(weights).randbytes(_MODEL_BYTES)
        (serving / "variables" / "variables.data").write_bytes(variables)
        (serving / "saved_model.pb").write_bytes(b"graph")
        (serving / ABOUT_FILE).parent.mkdir()
        about = {"breeds": BREEDS} | ({} if recipe == "none" else {"recipe": recipe})
        (serving / ABOUT_FILE).write_text(json.dumps(about))
        (serving / MODEL_CARD_FILE).write_text(model_card(_FACTS))
    return model


@pytest.fixture
def push(tmp_path: Path):
    """Returns a function that pushes a model to a destination and returns the PushedModel."""

    def do(
        destination: Path,
        *,
        blessed: bool = True,
        statistics: Path | None = None,
        evaluation: Path | None = None,
        compared_with: str | None = None,
        trained: str | None = None,
    ) -> standard_artifacts.PushedModel:
        """`trained` stands for the weights and the recipe of another model, as "weights recipe"."""
        model = _model(tmp_path / f"model {trained}", trained)
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("blessed", int(blessed))
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        inputs: dict[str, list[Artifact]] = {"model": [model], "model_blessing": [blessing]}
        if compared_with is not None:
            inputs["baseline_model"] = [standard_artifacts.Model()]
            inputs["baseline_model"][0].set_string_custom_property("served_version", compared_with)
        for artifact, folder in (
            (standard_artifacts.ExampleStatistics(), statistics),
            (standard_artifacts.ModelEvaluation(), evaluation),
        ):
            if folder is not None:
                artifact.uri = str(folder)
                inputs["statistics" if folder is statistics else "evaluation"] = [artifact]
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(destination))
        PusherExecutor(BaseExecutor.Context(tmp_dir=str(tmp_path))).Do(
            inputs,
            {"pushed_model": [pushed]},
            {
                "push_destination": proto_utils.proto_to_json(
                    pusher_pb2.PushDestination(filesystem=filesystem)
                )
            },
        )
        return pushed

    return do


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for less than the model."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def _visible(served: Path) -> list[str]:
    """Returns what is in a folder of versions beside the lock of the pushes."""
    return [path.name for path in served.iterdir() if path.name != ".push.lock"]


def test_blessed_model_becomes_a_version_and_the_artifact_says_which(push, tmp_path: Path) -> None:
    pushed = push(tmp_path / "served")

    [version] = list_versions(tmp_path / "served")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == str(version)
    served = tmp_path / "served" / str(version)
    assert pushed.get_string_custom_property("pushed_destination") == str(served)
    assert (served / "variables" / "variables.data").stat().st_size == _MODEL_BYTES
    assert _visible(tmp_path / "served") == [str(version)]


def test_refused_model_leaves_no_trace_in_the_destination(push, tmp_path: Path) -> None:
    pushed = push(tmp_path / "served", blessed=False)

    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "served").exists()


def test_two_pushes_in_one_second_are_two_versions(push, tmp_path: Path) -> None:
    push(tmp_path / "served")
    push(tmp_path / "served", trained="other other")

    first, second = list_versions(tmp_path / "served")
    assert second > first


def _pushed_before(pushed: standard_artifacts.PushedModel) -> bool:
    return bool(pushed.get_int_custom_property("pushed_before"))


def test_model_that_is_served_already_is_recorded_and_not_pushed_again(
    push, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    first = push(served, trained="weights recipe", compared_with="none")
    again = push(served, trained="weights recipe", compared_with="none")
    # Nearly the same weights: of the same recipe, trained anew because results were lost.
    retrained = push(served, trained="rounded recipe", compared_with="none")

    [version] = list_versions(served)
    assert not _pushed_before(first)
    for pushed in (again, retrained):
        assert _pushed_before(pushed)
        assert pushed.get_int_custom_property("pushed") == 1
        assert pushed.get_string_custom_property("pushed_version") == str(version)
        assert pushed.get_string_custom_property("pushed_destination") == str(served / str(version))

    # --fresh compares with it, and replaces it.
    fresh = push(served, trained="rounded recipe", compared_with=str(version))
    assert not _pushed_before(fresh)
    assert len(list_versions(served)) == 2


def test_model_is_refused_where_another_was_pushed_since_it_was_compared(
    push, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    push(served, trained="first a", compared_with="none")
    [first] = list_versions(served)
    push(served, trained="second b", compared_with=str(first))
    second = list_versions(served)[-1]

    with pytest.raises(UserError) as raised:
        push(served, trained="third c", compared_with=str(first))

    assert str(raised.value) == (
        f"Version {second} was pushed to {served} meanwhile, and this model was compared with "
        f"version {first}: it is not pushed. Run again to compare it with version {second}."
    )
    assert list_versions(served) == [first, second]


def test_of_pushes_that_race_one_wins(push, tmp_path: Path) -> None:
    served = tmp_path / "served"
    barrier = threading.Barrier(4)

    def race(number: int) -> str:
        barrier.wait()
        try:
            push(served, trained=f"weights{number} recipe{number}", compared_with="none")
        except UserError as error:
            return str(error)
        return "pushed"

    with ThreadPoolExecutor(4) as racers:
        ended = sorted(racers.map(race, range(4)))

    assert ended[-1] == "pushed"
    assert all(
        "was compared with no other: it is not pushed. Run again" in each for each in ended[:3]
    )
    assert len(list_versions(served)) == 1


def test_push_to_a_full_disk_leaves_no_version_behind(push, small_disk: Path) -> None:
    with pytest.raises(Exception, match=r"(?i)no space|exhausted|enospc"):
        push(small_disk)

    assert _visible(small_disk) == []


def test_remains_of_a_killed_push_are_cleared_by_the_next(push, tmp_path: Path) -> None:
    half = tmp_path / "served" / ".incoming" / "123"
    half.mkdir(parents=True)
    (half / "saved_model.pb").touch()

    push(tmp_path / "served")

    [version] = list_versions(tmp_path / "served")
    assert version != 123
    assert not (tmp_path / "served" / ".incoming").exists()


@pytest.fixture
def statistics(tmp_path: Path) -> Path:
    """What StatisticsGen leaves."""
    for split in ("train", "eval"):
        folder = tmp_path / "statistics" / f"Split-{split}"
        folder.mkdir(parents=True)
        (folder / "FeatureStats.pb").write_bytes(split.encode())
    return tmp_path / "statistics"


def test_version_brings_its_statistics_and_a_card_with_tfmas_figures(
    push, statistics: Path, tmp_path: Path
) -> None:
    # By hand: 14 of 20 pictures are answered rightly, by the served model 18.
    evaluation, _ = evaluate_known(tmp_path / "tfma", has_baseline=True, min_accuracy=0.7)

    push(tmp_path / "served", statistics=statistics, evaluation=evaluation)

    [version] = list_versions(tmp_path / "served")
    path = tmp_path / "served" / str(version)
    assert (path / STATISTICS_DIR / "Split-train" / "FeatureStats.pb").read_bytes() == b"train"
    assert (path / STATISTICS_DIR / "Split-eval" / "FeatureStats.pb").read_bytes() == b"eval"
    card = (path / MODEL_CARD_FILE).read_text()
    how_good = card.partition(HOW_GOOD)[2].partition("\n## ")[0]
    [accuracy, _] = [line for line in how_good.splitlines() if line.startswith("| Accuracy |")]
    assert accuracy.startswith("| Accuracy | 0.7000 |")
    assert "| 0.9000 |" in accuracy  # the served model's
    assert "| Accuracy | 0.7000 | at least 0.7000 | kept |" in how_good
    assert "| Last epoch | 1 | 1.0000 | 0.1000 | 2.0000 | 0.2000 |" in how_good
    assert UNTIL_PUSHED not in card
    # But for what was added, it is the card of the training.
    head, _, tail = model_card(_FACTS).partition(HOW_GOOD)
    assert card.startswith(head)
    assert card.endswith(tail.partition(UNTIL_PUSHED)[2])


def test_version_whose_statistics_cannot_be_copied_leaves_no_trace(push, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="statistics that went"):
        push(tmp_path / "served", statistics=tmp_path / "statistics that went")

    assert _visible(tmp_path / "served") == []
