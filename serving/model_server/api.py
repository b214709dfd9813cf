"""What the model server answers, whichever protocol the question came by."""

from __future__ import annotations

from typing import Protocol

from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
)
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse


class Api(Protocol):
    """The calls of PredictionService, and GetModelStatus of ModelService.

    Every method raises `ServingError` where the call is refused.
    """

    async def predict(self, request: PredictRequest) -> PredictResponse:
        """Runs a signature on tensors."""
        ...

    async def classify(self, request: ClassificationRequest) -> ClassificationResponse:
        """Runs a signature that gives classes and scores on examples."""
        ...

    async def regress(self, request: RegressionRequest) -> RegressionResponse:
        """Runs a signature that gives one number for each example."""
        ...

    async def multi_inference(self, request: MultiInferenceRequest) -> MultiInferenceResponse:
        """Runs several signatures of one model on the same examples."""
        ...

    def get_model_metadata(self, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
        """Describes the signatures of a version."""
        ...

    def get_model_status(self, request: GetModelStatusRequest) -> GetModelStatusResponse:
        """Tells the state of a model's versions."""
        ...

    def signature_def(self, model_spec: ModelSpec) -> SignatureDef:
        """Returns the signature that `model_spec` names, `serving_default` where it names none."""
        ...
