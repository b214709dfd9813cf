"""TFX's Evaluator with an optional baseline, answers for each image, and robustness."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import component, constants, executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    BLESSING_KEY,
    EVALUATION_KEY,
    EXAMPLES_KEY,
    MODEL_KEY,
    MODULE_PATH_KEY,
)
from tfx.utils import io_utils, path_utils

from components.baseline import holds_model
from components.evaluator.answers import evaluation_folder
from components.evaluator.robustness import measure_robustness
from components.evaluator.settings import RobustnessConfig

_EXTRACTORS = "components.evaluator.extractors"
_REPORT_ONLY = "report_only"
_ROBUSTNESS = "robustness"
_EVAL = "eval"


class EvaluatorExecutor(executor.Executor):
    """Drops an empty baseline, so that TFX ignores the thresholds that compare with it.

    Also writes the answers (`components.evaluator.answers`) and the robustness
    (`components.evaluator.robustness`) beside TFMA's files.
    """

    def Do(  # noqa: N802 - overrides TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the model; see `tfx.components.evaluator.executor.Executor.Do`."""
        baseline = input_dict.get(BASELINE_MODEL_KEY, [])
        if not all(holds_model(artifact) for artifact in baseline):
            input_dict = {key: value for key, value in input_dict.items() if value is not baseline}
        exec_properties = {**exec_properties, MODULE_PATH_KEY: _EXTRACTORS}
        # Metrics run eagerly: AutoGraph would only rewrite them for each slice, slowly.
        evaluate = tf.autograph.experimental.do_not_convert(super().Do)
        evaluation = artifact_utils.get_single_uri(output_dict[EVALUATION_KEY])
        token = evaluation_folder.set(evaluation)
        try:
            evaluate(input_dict, output_dict, exec_properties)
        finally:
            evaluation_folder.reset(token)
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        robustness = RobustnessConfig.model_validate_json(exec_properties[_ROBUSTNESS])
        if robustness.pictures:
            measured = measure_robustness(
                artifact_utils.get_split_uri(input_dict[EXAMPLES_KEY], _EVAL),
                path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[MODEL_KEY])),
                evaluation,
                robustness,
            )
            if not measured.bounds_kept:
                _decide(blessing, is_blessed=False)
        if exec_properties.get(_REPORT_ONLY):
            _decide(blessing, is_blessed=True)


class Evaluator(component.Evaluator):
    """`tfx.components.Evaluator` that takes the output of `components.baseline.Baseline`.

    With `report_only` every model is blessed; which bounds it missed is written all the same.
    `code` is the fingerprint of this component's code.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(EvaluatorExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        eval_config: config_pb2.EvalConfig,
        report_only: bool,
        robustness: RobustnessConfig,
        code: str,
    ) -> None:
        super().__init__(
            examples=examples, model=model, baseline_model=baseline_model, eval_config=eval_config
        )
        # The cache compares all of them.
        self.spec.exec_properties |= {
            _REPORT_ONLY: int(report_only),
            _ROBUSTNESS: robustness.model_dump_json(),
            "code": code,
        }


def _decide(blessing: types.Artifact, *, is_blessed: bool) -> None:
    """Blesses or refuses a model, whatever TFX has made of its bounds."""
    names = constants.NOT_BLESSED_FILE_NAME, constants.BLESSED_FILE_NAME
    if fileio.exists(before := os.path.join(blessing.uri, names[not is_blessed])):
        fileio.remove(before)
    io_utils.write_string_file(os.path.join(blessing.uri, names[is_blessed]), "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if is_blessed else constants.NOT_BLESSED_VALUE,
    )
