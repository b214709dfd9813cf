"""Finds the signature that a request names."""

from __future__ import annotations

from collections.abc import Mapping

from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.model_pb2 import ModelSpec

DEFAULT_SIGNATURE = "serving_default"
PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"

Signatures = Mapping[str, SignatureDef]


def signature_name(spec: ModelSpec) -> str:
    """Returns the name that `spec` gives, or the default one."""
    return spec.signature_name or DEFAULT_SIGNATURE


def answered_by(name: str, signature: str, version: int) -> ModelSpec:
    """Describes who answered: model, signature and version."""
    spec = ModelSpec(name=name, signature_name=signature)
    spec.version.value = version
    return spec
