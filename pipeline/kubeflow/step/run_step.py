"""Runs TFX's executor of one step: converts inputs, checks mounts, converts outputs."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver

from foundation.errors import DatasetError, UserError
from ingestion.dataset import Dataset, damaged_shard, load_dataset
from pipeline.config.nodes import BASELINE, CURATED_SCHEMA, IMPORT_EXAMPLE_GEN, NODES, PUSHER
from pipeline.kubeflow.parameters import (
    DATA,
    DATA_FINGERPRINT,
    PREFIX,
    PUSH_DESTINATION,
    RECORDS_INPUT,
)
from pipeline.kubeflow.step.apply_parameters import apply_parameters
from pipeline.kubeflow.step.executor_messages import Message, for_launcher, for_tfx
from pipeline.kubeflow.step.gpus import check_gpus
from pipeline.kubeflow.step.uris import Places, restore_folder
from pipeline.kubeflow.system_types import HTML, title_of


def records_at(path: str, location: str) -> Dataset:
    """Loads the description of the records at a local path; `location` is for messages.

    Raises:
        UserError: there are none.
        DatasetError: they are damaged.
    """
    if not Path(path).is_dir():
        raise UserError(
            f"There is no folder {location}: the volume with the records is not mounted there, or "
            "the pipeline's parameter 'data' names another place."
        )
    if not os.listdir(path):
        raise UserError(
            f"The folder {location} is empty: the volume that is mounted there has no records on "
            "it, or the pipeline's parameter 'data' should name a folder below it."
        )
    return load_dataset(Path(path))


def check_schema(path: str, location: str) -> None:
    """Checks that the curated schema is at a local path; `location` is for messages.

    Raises:
        UserError: it is missing.
    """
    if not Path(path).is_file():
        raise UserError(
            f"There is no schema {location}: data.curated_schema has to name a file of a volume "
            "that is mounted into CuratedSchema."
        )


def check_writable(path: str, location: str, *, declared_read_only: bool) -> None:
    """Checks that a folder can be created and written to; `location` is for messages.

    Raises:
        UserError: it cannot, or a rehearsal declares it read-only.
    """
    reason = "Read-only file system" if declared_read_only else None
    if reason is None:
        try:
            os.makedirs(path, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                return
        except OSError as error:
            reason = error.strerror
    raise UserError(
        f"The push destination {location} cannot be written: {reason}. The pipeline's parameter "
        "'push_destination' has to name a folder of a volume that is mounted to be written."
    )


def run_step(args: argparse.Namespace, beam_args: list[str]) -> None:
    """Runs one step with the entry point's arguments.

    Raises:
        UserError: a GPU, mount, file or parameter that the step needs is missing or invalid.
        DatasetError: the records are damaged.
    """
    check_gpus(args.step)
    places = Places.of_environment()
    given = args.json_serialized_invocation_args
    inputs_spec, outputs_spec = args.json_serialized_inputs_spec_args, args.outputs_spec
    location = _where_records_are(args.step, given)
    message = for_tfx(given, inputs_spec, outputs_spec, places)
    parameters = message["inputs"]["parameterValues"]
    for uri in _input_uris(given):
        restore_folder(places.local(uri))
    if location is not None:
        parameters[PREFIX + DATA] = places.local(location)
    outputs = _prepare(args.step, parameters, location, places)
    message["inputs"]["parameterValues"] = _mapped(
        apply_parameters(args.step, parameters, inputs=" ".join(_input_uris(given))),
        args.step,
        places,
        is_from_records=location is not None,
    )

    output_file = Path(message["outputs"]["outputFile"])
    output_file.unlink(missing_ok=True)  # of an attempt before this one
    if args.step == IMPORT_EXAMPLE_GEN.name:
        driver._run_driver(_parsed(message), _inputs_spec(inputs_spec))
    try:
        kubeflow_v2_run_executor._run_executor(
            argparse.Namespace(
                executor_class_path=args.executor_class_path,
                json_serialized_invocation_args=json.dumps(message),
                json_serialized_inputs_spec_args=json.dumps(inputs_spec),
            ),
            beam_args,
        )
    except Exception as error:
        if location is not None:
            _explain_damage(parameters[PREFIX + DATA], location, error)
        raise
    _finish_outputs(given, message)
    written = for_launcher(json.loads(output_file.read_text()), given, outputs, places)
    output_file.write_text(json.dumps(written, indent=2))


def _explain_damage(path: str, location: str, error: Exception) -> None:
    """Raises DatasetError from a step's failure if a shard of the records is damaged."""
    records = load_dataset(Path(path))
    shard = damaged_shard(records)
    if shard is not None:
        raise DatasetError(
            f"{location}/{shard.relative_to(records.path)} is damaged or cut short: copy it again, "
            "or convert the pictures again."
        ) from error


def _finish_outputs(given: Message, message: Message) -> None:
    """Creates missing outputs and turns the folder of an HTML page into a single file."""
    for key, listed in message["outputs"]["artifacts"].items():
        path = Path(listed["artifacts"][0]["uri"])
        path.mkdir(parents=True, exist_ok=True)
        pages = list(path.glob("*.html"))
        if pages and title_of(given["outputs"]["artifacts"][key]["artifacts"][0]) == HTML:
            page = pages[0].read_bytes()
            shutil.rmtree(path)
            path.write_bytes(page)


def _input_uris(executor_input: Message) -> list[str]:
    artifacts = executor_input.get("inputs", {}).get("artifacts", {})
    return [artifacts[key]["artifacts"][0]["uri"] for key in sorted(artifacts)]


def _where_records_are(step: str, executor_input: Message) -> str | None:
    """Returns the location of the records, a parameter or artifact, for steps that read them."""
    if not NODES[step].reads_records:
        return None
    inputs = executor_input.get("inputs", {})
    if RECORDS_INPUT in inputs.get("artifacts", {}):
        return str(inputs["artifacts"][RECORDS_INPUT]["artifacts"][0]["uri"])
    location = inputs.get("parameterValues", {}).get(PREFIX + DATA)
    return None if location is None else str(location)


def _prepare(
    step: str, parameters: dict[str, Any], location: str | None, places: Places
) -> dict[str, str]:
    """Checks what the step needs before TFX runs, and returns the step's output parameters."""
    if step == PUSHER.name:
        destination = parameters[PREFIX + PUSH_DESTINATION]
        check_writable(
            places.local(destination),
            destination,
            declared_read_only=places.is_read_only(destination),
        )
    if step == CURATED_SCHEMA.name and location is None:
        check_schema(places.local(parameters["schema_file"]), parameters["schema_file"])
    if location is None:
        return {}
    records = records_at(parameters[PREFIX + DATA], location)
    return {DATA_FINGERPRINT: records.fingerprint} if step == IMPORT_EXAMPLE_GEN.name else {}


def _mapped(
    parameters: dict[str, Any], step: str, places: Places, *, is_from_records: bool
) -> dict[str, Any]:
    """Maps container paths in the properties to local folders of a rehearsal."""
    if step == CURATED_SCHEMA.name and not is_from_records:
        parameters["schema_file"] = places.local(parameters["schema_file"])
    if step == BASELINE.name:
        parameters["push_destination"] = places.local(parameters["push_destination"])
    if step == PUSHER.name:
        destination = json.loads(parameters["push_destination"])
        folder = destination["filesystem"]
        folder["base_directory"] = places.local(folder["base_directory"])
        parameters["push_destination"] = json.dumps(destination)
    if NODES[step].trains:
        config = json.loads(parameters["custom_config"])
        config["work_dir"] = places.local(config["work_dir"])
        parameters["custom_config"] = json.dumps(config)
    return parameters


def _parsed(message: Message) -> pipeline_spec_pb2.ExecutorInput:
    return json_format.ParseDict(message, pipeline_spec_pb2.ExecutorInput())


def _inputs_spec(message: Message) -> pipeline_spec_pb2.ComponentInputsSpec:
    return json_format.ParseDict(message, pipeline_spec_pb2.ComponentInputsSpec())
