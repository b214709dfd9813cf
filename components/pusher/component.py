"""TFX's Pusher with atomic pushes: a version appears whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

from tfx import types
from tfx.components.pusher import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    EVALUATION_KEY,
    PUSH_DESTINATION_KEY,
    PUSHED_MODEL_KEY,
    STATISTICS_KEY,
)
from tfx.utils import proto_utils

from components.evaluator.results.bounds import read_bounds
from components.evaluator.results.evaluation import read_evaluation
from components.pusher.card import complete_card
from components.pusher.identity import (
    SERVED_ALREADY,
    Identity,
    find_pushed,
    identity_of,
    write_identity,
)
from foundation.lock import only_push_to
from foundation.names import PUSHED_BEFORE_PROPERTY, SERVED_VERSION_PROPERTY
from foundation.versions import (
    MODEL_CARD_FILE,
    STATISTICS_DIR,
    list_versions,
    next_version,
    read_about,
)

_INCOMING = ".incoming"  # not a number, so no model server looks into it


class PusherExecutor(executor.Executor):
    """Lets TFX push into a folder beside the versions, then renames it into place.

    It looks at what is served first: a model that is served already is not pushed again, only
    recorded, and one that was compared with another version than is served now is refused.

    TFX copies file by file into the final folder: a model server that looks in the middle loads
    half a model, and a killed push leaves one there for good.

    The version also gets the statistics of its training data, which the next model's data is
    compared with, and the evaluation in its card.
    """

    def Do(  # noqa: N802 - overrides TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes a blessed model; see `tfx.components.pusher.executor.Executor.Do`.

        Raises:
            UserError: another version was pushed since the model was compared with the served one.
        """
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[PUSH_DESTINATION_KEY], destination)
        base_path = Path(destination.filesystem.base_directory)
        pushed = artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        identity = identity_of(Path(self.GetModelPath(input_dict)))
        with only_push_to(base_path):
            version = find_pushed(base_path, identity, _compared_with(input_dict))
            if version is not None:
                logging.info("Version %d %s.", version, SERVED_ALREADY)
                pushed.set_int_custom_property(PUSHED_BEFORE_PROPERTY, 1)
            else:
                version = self._push(input_dict, output_dict, exec_properties, base_path, identity)
        self._MarkPushed(
            pushed,
            pushed_destination=str(base_path / str(version)),
            pushed_version=str(version),
        )

    def _push(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
        base_path: Path,
        identity: Identity,
    ) -> int:
        """Pushes a model and returns its version."""
        incoming = base_path / _INCOMING
        shutil.rmtree(incoming, ignore_errors=True)  # left by a push that was killed
        staging = pusher_pb2.PushDestination()
        staging.filesystem.base_directory = str(incoming)
        staged_properties = {
            **exec_properties,
            PUSH_DESTINATION_KEY: proto_utils.proto_to_json(staging),
        }
        try:
            super().Do(input_dict, output_dict, staged_properties)
            [staged] = list_versions(incoming)
            _add_evidence(incoming / str(staged), input_dict)
            write_identity(incoming / str(staged), identity)
            version = next_version(base_path)
            os.rename(incoming / str(staged), base_path / str(version))
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        return version


class PusherSpec(standard_component_specs.PusherSpec):
    """TFX's, with optional statistics, evaluation and baseline."""

    INPUTS: ClassVar = {
        **standard_component_specs.PusherSpec.INPUTS,
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
        EVALUATION_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        BASELINE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
    }


class Pusher(base_component.BaseComponent):
    """`tfx.components.Pusher` to a file system, one rename a version.

    Args:
        model: the model to push.
        model_blessing: the Evaluator's; without it the model is pushed as it is.
        infra_blessing: the canary's.
        statistics: StatisticsGen's, of the model's train and eval examples.
        evaluation: the Evaluator's output, for the model card.
        baseline_model: Baseline's, which says what version the model was compared with; without it
            any version may be replaced.
        push_destination: the folder that the model server watches.
        code: fingerprint of this component's code.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel | None = None,
        infra_blessing: types.BaseChannel | None = None,
        statistics: types.BaseChannel | None = None,
        evaluation: types.BaseChannel | None = None,
        baseline_model: types.BaseChannel | None = None,
        push_destination: pusher_pb2.PushDestination,
        code: str,
    ) -> None:
        super().__init__(
            spec=PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                statistics=statistics,
                evaluation=evaluation,
                baseline_model=baseline_model,
                push_destination=push_destination,
                custom_config="null",  # as TFX writes that there is none
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
        self.spec.exec_properties["code"] = code  # the cache compares all of them


def _compared_with(input_dict: dict[str, list[types.Artifact]]) -> str | None:
    """Returns the version that the Evaluator compared with, or `none`; None if unknown."""
    for baseline in input_dict.get(BASELINE_MODEL_KEY) or ():
        return baseline.get_string_custom_property(SERVED_VERSION_PROPERTY) or None
    return None


def _add_evidence(version_path: Path, input_dict: dict[str, list[types.Artifact]]) -> None:
    """Adds statistics and the completed card to a version before it is published."""
    for statistics in input_dict.get(STATISTICS_KEY) or ():
        shutil.copytree(statistics.uri, version_path / STATISTICS_DIR)
    card_path, breeds = version_path / MODEL_CARD_FILE, read_about(version_path).get("breeds")
    for evaluation in input_dict.get(EVALUATION_KEY) or ():
        if breeds and card_path.is_file():  # a model from elsewhere has no card of ours
            # The card has the counts of training images already.
            facts = read_evaluation(evaluation.uri, breeds, train_counts=[0] * len(breeds))
            card = complete_card(
                card_path.read_text(encoding="utf-8"), facts, read_bounds(evaluation.uri)
            )
            card_path.write_text(card, encoding="utf-8")
