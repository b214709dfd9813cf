"""TFMA's extractors, with one added after inference and before slicing.

TFX's Evaluator loads this module. No inference runs twice.
"""

from __future__ import annotations

from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.extractors import unbatch_extractor

from components.evaluator.answers import KeepAnswers, evaluation_folder
from trainer.preprocessing.features import BREED_KEY


def custom_extractors(
    eval_shared_model: Any, eval_config: tfma.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """Returns the extractors, given one or, with a baseline, two `tfma.EvalSharedModel`s.

    TFX calls this by its name.
    """
    extractors = list(
        tfma.default_extractors(
            eval_shared_model=eval_shared_model,
            eval_config=eval_config,
            tensor_adapter_config=tensor_adapter_config,
        )
    )
    models = sorted(eval_config.model_specs, key=lambda spec: bool(spec.is_baseline))
    keys = {key for spec in eval_config.slicing_specs for key in spec.feature_keys}
    answers = KeepAnswers(
        evaluation_folder.get(), [model.name for model in models], sorted(keys - {BREED_KEY})
    )
    stages = [extractor.stage_name for extractor in extractors]
    extractors.insert(
        stages.index(unbatch_extractor.UNBATCH_EXTRACTOR_STAGE_NAME),
        tfma.extractors.Extractor(stage_name="KeepAnswers", ptransform=answers),
    )
    return extractors
