from __future__ import annotations

from pathlib import Path

import pytest

from components.evaluator.settings import EvaluatorConfig
from foundation.errors import UsageError
from pipeline.config.config import Config
from pipeline.config.load import load_config
from trainer.networks.published.dog_cnn import DogCnnConfig
from trainer.networks.residual import ResidualConfig

_CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", _CONFIGS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert load_config(path).name == path.stem


def test_defaults_are_those_of_the_sample_but_for_its_bounds() -> None:
    assert load_config().model_copy(update={"evaluator": EvaluatorConfig()}) == Config()


def test_override_reaches_into_groups_and_later_ones_win() -> None:
    config = load_config(
        None, ["trainer.epochs=5", "trainer.augment.flip=false", "trainer.epochs=6"]
    )

    assert config.trainer.epochs == 6
    assert config.trainer.augment.flip is False
    assert isinstance(config.trainer.network, ResidualConfig)


def test_bounds_of_the_sample_are_for_the_sample_alone() -> None:
    default = EvaluatorConfig()

    assert load_config().evaluator.min_accuracy == 0.9
    assert load_config(source="my/dogs").evaluator == default
    assert load_config(None, ["data.source=my/dogs"]).evaluator == default
    own = load_config(None, ["evaluator.min_accuracy=0.7"], source="my/dogs").evaluator
    assert (own.min_accuracy, own.min_error_reduction) == (0.7, default.min_error_reduction)
    assert load_config(Path("transfer"), source="my/dogs").evaluator == default


def test_network_by_name_alone_replaces_the_one_with_options() -> None:
    assert load_config(None, ["trainer.network=dog_cnn"]).trainer.network == DogCnnConfig()


def test_list_needs_neither_brackets_nor_quotes() -> None:
    config = load_config(
        None,
        [
            "data.convert.breeds=beagle, pug",
            "trainer.network.blocks=1,2",
            "evaluator.slices=colour",
        ],
    )

    assert config.data.convert.breeds == ("beagle", "pug")
    assert config.trainer.network == ResidualConfig(blocks=(1, 2))
    assert config.evaluator.slices == ("colour",)


def test_source_is_taken_as_typed_even_where_yaml_would_read_a_number() -> None:
    assert load_config(source="007").data.source == "007"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.epoks=3"], ["trainer.epoks: unknown key. Did you mean epochs?", "batch_size"]),
        (["trainer.network.input=3"], ["trainer.network.input: unknown key", "input_px"]),
        (
            ["trainer.network=vgg17"],
            ["trainer.network: There is no network 'vgg17'. Did you mean vgg16?", "residual"],
        ),
        (["trainer.network={width: 8}"], ["trainer.network: the network's name is missing"]),
        (["trainer.epochs=many"], ["trainer.epochs: Input should be a valid integer", "'many'"]),
        (["evaluator.min_accuracy=90"], ["evaluator.min_accuracy", "less than or equal to 1"]),
        (["data.convert.eval_share=2"], ["data.convert.eval_share", "less than 1"]),
        (["name=My Dogs"], ["name", "My Dogs"]),
        (
            ["kubeflow.gpu_steps=[Trayner]"],
            ["kubeflow.gpu_steps.0", "Tuner, Trainer,", "'Trayner'"],
        ),
        (["kubeflow.steps.Trayner={}"], ["kubeflow.steps.Trayner", "Tuner, Trainer,"]),
        (["trainer=5"], ["trainer:"]),
        (["data.infer_schema=true", "data.curated_schema=x"], ["exclude each other"]),
        (["trainer.epoks=3", "evaluator.min_accuracy=90"], ["epoks", "min_accuracy"]),
        (["trainer={epochs: 1, epochs: 2}"], ["--set trainer=", "epochs stands in"]),
        (["trainer.epochs"], ["--set wants KEY=VALUE", "trainer.epochs"]),
    ],
)
def test_every_mistake_is_named_in_the_words_of_the_user(
    overrides: list[str], said: list[str]
) -> None:
    with pytest.raises(UsageError) as raised:
        load_config(None, overrides)

    for words in said:
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1, 2", "is not YAML"),
        (b"- 1\n- 2\n", "must be a mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"trainer: {epochs: 0}", "trainer.epochs"),
        (b"name: a\ntrainer: {}\nname: b", "line 3: name stands in line 1 already"),
    ],
)
def test_file_that_is_no_configuration_is_refused_by_name(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=said) as raised:
        load_config(path)

    assert str(path) in str(raised.value)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no configuration"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["dog-cnn", "dog-cnn.yaml", "configs/dog-cnn.yaml"])
def test_built_in_configuration_is_found_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(Path(name)).name == "dog-cnn"


def test_file_of_ones_own_comes_before_a_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dog-cnn.yaml").write_text("name: mine")
    assert load_config(Path("dog-cnn.yaml")).name == "mine"
    assert load_config(Path("dog-cnn")).name == "dog-cnn"


@pytest.mark.parametrize("name", ["dog-can", "other/dog-cnn.yaml", "dog-cnn.json"])
def test_name_that_is_neither_file_nor_built_in_is_answered_with_the_built_in_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        load_config(Path(name))

    assert f"There is no configuration {name}." in str(raised.value)
    for path in _CONFIGS:
        assert path.stem in str(raised.value)
