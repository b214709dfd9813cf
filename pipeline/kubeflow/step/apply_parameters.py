"""Writes the values of the pipeline's parameters into a node's properties."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from google.protobuf import json_format
from pydantic import ValidationError
from tfx.proto import pusher_pb2
from tfx.utils import proto_utils

from components.evaluator.config import eval_config
from components.evaluator.settings import EvaluatorConfig
from foundation.errors import UserError
from foundation.fingerprint import fingerprint
from foundation.settings import mistakes_in_words
from ingestion.dataset import SCHEMA_FILE
from pipeline.config.nodes import (
    BASELINE,
    CURATED_SCHEMA,
    EVALUATOR,
    IMPORT_EXAMPLE_GEN,
    NODES,
    PUSHER,
    REPORT,
    TRAINER,
    TUNER,
)
from pipeline.kubeflow.parameters import (
    BOUND_PARAMETERS,
    BOUNDS,
    DATA,
    DATA_FINGERPRINT,
    PREFIX,
    PUSH_DESTINATION,
)
from trainer.training.config import TrainerConfig


def apply_parameters(
    step: str, properties: Mapping[str, Any], *, inputs: str = ""
) -> dict[str, Any]:
    """Returns a node's properties for TFX, changed by the pipeline's parameters.

    `properties` holds the parameters under prefixed names. `inputs` identifies the step's inputs:
    equal in retries, different in other runs unless cached results are reused.

    Raises:
        UserError: a parameter's value is invalid.
    """
    own = {name: value for name, value in properties.items() if not name.startswith(PREFIX)}
    given = {
        name.removeprefix(PREFIX): value
        for name, value in properties.items()
        if name.startswith(PREFIX)
    }
    if step in _CHANGES and given:
        _CHANGES[step](own, given)
    if NODES[step].trains:
        # Checkpoints: retries resume from them, and concurrent runs must not share them.
        config = json.loads(own["custom_config"])
        config["work_dir"] = _sibling(config["work_dir"], inputs)
        own["custom_config"] = json.dumps(config)
    return own


def _to_example_gen(own: dict[str, Any], given: dict[str, Any]) -> None:
    own["input_base"] = given[DATA]


def _to_curated_schema(own: dict[str, Any], given: dict[str, Any]) -> None:
    own["schema_file"] = str(PurePosixPath(given[DATA], SCHEMA_FILE))


def _to_training(own: dict[str, Any], given: dict[str, Any]) -> None:
    config = json.loads(own["custom_config"])
    changes = _training_settings(given)
    try:
        trainer = TrainerConfig.model_validate({**config["trainer"], **changes})
    except ValidationError as error:
        raise UserError(" ".join(mistakes_in_words(error, TrainerConfig))) from None
    config["trainer"] = trainer.model_dump(mode="json")
    config["data"] = given[DATA_FINGERPRINT]
    config["work_dir"] = _sibling(config["work_dir"], given[DATA_FINGERPRINT], changes)
    if "recipe" in config:
        config["recipe"] = fingerprint(config["recipe"], given[DATA_FINGERPRINT], changes)
    own["custom_config"] = json.dumps(config)


def _to_evaluator(own: dict[str, Any], given: dict[str, Any]) -> None:
    bounds = json.loads(given.pop(BOUNDS.removeprefix(PREFIX)))
    try:
        changed = EvaluatorConfig.model_validate({**bounds, **given})
    except ValidationError as error:
        raise UserError(" ".join(mistakes_in_words(error, EvaluatorConfig))) from None
    own["eval_config"] = json_format.MessageToJson(
        eval_config(changed), preserving_proto_field_name=True
    )


def _to_baseline(own: dict[str, Any], given: dict[str, Any]) -> None:
    own["push_destination"] = given[PUSH_DESTINATION]


def _to_pusher(own: dict[str, Any], given: dict[str, Any]) -> None:
    folder = pusher_pb2.PushDestination.Filesystem(base_directory=given[PUSH_DESTINATION])
    own["push_destination"] = proto_utils.proto_to_json(
        pusher_pb2.PushDestination(filesystem=folder)
    )


def _to_report(own: dict[str, Any], given: dict[str, Any]) -> None:
    settings = json.loads(own["settings"])
    settings["trainer"].update(_training_settings(given))
    settings["evaluator"].update({name: given[name] for name in BOUND_PARAMETERS if name in given})
    settings["pusher"]["destination"] = given.get(PUSH_DESTINATION)
    settings["kubeflow"]["data"] = given[DATA]
    own["settings"] = json.dumps(settings)


def _training_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the training settings; Kubeflow passes every number as floating-point."""
    return {"epochs": int(given["epochs"]), "learning_rate": float(given["learning_rate"])}


def _sibling(folder: str, *identity: Any) -> str:
    """Returns a folder beside `folder` whose name is a fingerprint of its name and `identity`."""
    path = PurePosixPath(folder)
    return str(path.with_name(fingerprint(path.name, *identity)))


_CHANGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    IMPORT_EXAMPLE_GEN.name: _to_example_gen,
    CURATED_SCHEMA.name: _to_curated_schema,
    TUNER.name: _to_training,
    TRAINER.name: _to_training,
    EVALUATOR.name: _to_evaluator,
    BASELINE.name: _to_baseline,
    PUSHER.name: _to_pusher,
    REPORT.name: _to_report,
}
