"""TFX's Evaluator with an optional baseline, which also writes an answer for each image."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    EVALUATION_KEY,
    MODULE_PATH_KEY,
)

from components.baseline import holds_model
from components.evaluator.answers import evaluation_folder

_EXTRACTORS = "components.evaluator.extractors"


class EvaluatorExecutor(executor.Executor):
    """Drops an empty baseline, so that TFX ignores the thresholds that compare with it.

    Also writes the answers (`components.evaluator.answers`) beside TFMA's files.
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
        token = evaluation_folder.set(artifact_utils.get_single_uri(output_dict[EVALUATION_KEY]))
        try:
            evaluate(input_dict, output_dict, exec_properties)
        finally:
            evaluation_folder.reset(token)


class Evaluator(component.Evaluator):
    """`tfx.components.Evaluator` that takes the output of `components.baseline.Baseline`.

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
        code: str,
    ) -> None:
        super().__init__(
            examples=examples, model=model, baseline_model=baseline_model, eval_config=eval_config
        )
        self.spec.exec_properties["code"] = code  # the cache compares all of them
