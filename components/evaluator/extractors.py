"""Where TFX's Evaluator looks for the extractors that TFMA runs.

They are TFMA's own, with one put in between: behind the model, before slices are cut. Nothing is
inferred a second time.
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
    """Lists the extractors; TFX calls this by its name.

    Args:
        eval_shared_model: one or, with a baseline, two `tfma.EvalSharedModel`s.
        eval_config: says which features to slice on.
        tensor_adapter_config: passed on to TFMA.
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
