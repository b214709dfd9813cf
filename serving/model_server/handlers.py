"""Answers the model server's calls, independently of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
)
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from serving.model_server.errors import failed_precondition, invalid_argument
from serving.model_server.inference.examples import (
    classify_result,
    classify_tensors,
    multi_tensors,
    regress_result,
    regress_tensors,
    serialized_examples,
    task_result,
)
from serving.model_server.inference.predict import predict_call, predict_response
from serving.model_server.metrics import Metrics
from serving.model_server.models.core import ServerCore
from serving.model_server.models.servable import Call, Servable, answered_by, signature_name

_SIGNATURE_DEF = "signature_def"


class Handlers:
    """Implements the calls on the models of a `ServerCore`; raises `ServingError` if refused.

    With `check_method`, signatures must have been made for the method they are used with.
    """

    def __init__(self, core: ServerCore, metrics: Metrics, *, check_method: bool) -> None:
        self._core = core
        self._metrics = metrics
        self._check_method = check_method

    async def predict(self, request: PredictRequest) -> PredictResponse:
        """Runs a signature on tensors."""
        spec = request.model_spec
        with self._core.using(spec) as servable:
            call, aliases = predict_call(
                request, servable.signatures, check_method=self._check_method
            )
            arrays = await self._run(servable, call, "Predict")
            response = predict_response(aliases, arrays)
            response.model_spec.CopyFrom(
                answered_by(spec.name, signature_name(spec), servable.version)
            )
            return response

    async def classify(self, request: ClassificationRequest) -> ClassificationResponse:
        """Runs a classification signature (classes and scores) on examples."""
        return ClassificationResponse(
            **await self._answer_examples(request, "Classify", classify_tensors, classify_result)
        )

    async def regress(self, request: RegressionRequest) -> RegressionResponse:
        """Runs a regression signature (one number per example) on examples."""
        return RegressionResponse(
            **await self._answer_examples(request, "Regress", regress_tensors, regress_result)
        )

    async def multi_inference(self, request: MultiInferenceRequest) -> MultiInferenceResponse:
        """Runs several signatures of one model on the same examples."""
        spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
        with self._core.using(spec) as servable:
            tensors = multi_tensors(request, servable.signatures, check_method=self._check_method)
            count, arrays = await self._run_examples(
                request.input, servable, tensors, "MultiInference"
            )
            response = MultiInferenceResponse()
            for task in request.tasks:
                response.results.add(
                    model_spec=_answered(task.model_spec, servable),
                    **task_result(task, servable.signatures, count, arrays),
                )
            return response

    def get_model_metadata(self, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
        """Describes the signatures of a version."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                # TensorFlow Serving's message has the placeholder too.
                raise invalid_argument(f"Metadata field %s is not supported{field}")
        with self._core.using(request.model_spec) as servable:
            response = GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[_SIGNATURE_DEF].Pack(
                SignatureDefMap(signature_def=servable.signatures)
            )
            return response

    def get_model_status(self, request: GetModelStatusRequest) -> GetModelStatusResponse:
        """Returns the states of a model's versions."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return GetModelStatusResponse(model_version_status=self._core.status(request.model_spec))

    def signature_def(self, model_spec: ModelSpec) -> SignatureDef:
        """Returns the signature that `model_spec` names, by default `serving_default`."""
        name = signature_name(model_spec)
        with self._core.using(model_spec) as servable:
            if name not in servable.signatures:
                raise failed_precondition(f'Serving signature key "{name}" not found.')
            return servable.signatures[name]

    async def _run(self, servable: Servable, call: Call, method: str) -> list[NDArray[Any]]:
        running = self._core.run(servable, call, method)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            # The caller is gone, but the run uses the version until its end.
            await _until_done(running)
            raise

    async def _answer_examples(
        self,
        request: ClassificationRequest | RegressionRequest,
        method: str,
        find_tensors: Callable[..., tuple[list[str], list[str]]],
        make_result: Callable[[SignatureDef, int, Mapping[str, NDArray[Any]]], Any],
    ) -> dict[str, Any]:
        """Returns the response fields that Classify and Regress share."""
        spec = request.model_spec
        with self._core.using(spec) as servable:
            signature = _named_signature(spec, servable)
            tensors = find_tensors(signature, check_method=self._check_method)
            count, arrays = await self._run_examples(request.input, servable, tensors, method)
            return {
                "result": make_result(signature, count, arrays),
                "model_spec": _answered(spec, servable),
            }

    async def _run_examples(
        self,
        examples: Input,
        servable: Servable,
        tensors: tuple[list[str], list[str]],
        method: str,
    ) -> tuple[int, Mapping[str, NDArray[Any]]]:
        """Returns the number of examples and the fetched arrays by graph name."""
        input_names, output_names = tensors
        feed = serialized_examples(examples)
        self._metrics.examples(servable.name, len(feed))
        call = Call(tuple((name, feed) for name in input_names), tuple(output_names))
        arrays = await self._run(servable, call, method)
        return len(feed), dict(zip(output_names, arrays, strict=True))


async def _until_done(running: Any) -> None:
    if not running.cancelled():
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        await done.wait()


def _named_signature(spec: ModelSpec, servable: Servable) -> SignatureDef:
    name = signature_name(spec)
    if name not in servable.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return servable.signatures[name]


def _answered(spec: ModelSpec, servable: Servable) -> ModelSpec:
    return answered_by(spec.name, signature_name(spec), servable.version)
