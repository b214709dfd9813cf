"""The model server against TensorFlow Serving's own stubs: every call, its codes and its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from tests.serving.model_server import Server, running, write_half_plus

pytestmark = pytest.mark.slow

TIMEOUT_S = 20
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module", params=["alone", "batched"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    base_path = tmp_path_factory.mktemp("models")
    write_half_plus(base_path, 123)
    flags = ["--enable_batching"] if request.param == "batched" else []
    with running(f"--model_base_path={base_path}", *flags) as server:
        yield server


def predict_request(
    x: object = (2.0,), name: str = "default", signature: str = ""
) -> PredictRequest:
    request = PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(x, dtype=tf.float32))
    return request


def with_example(request: object, x: float | None = 2.0) -> object:
    if x is not None:
        feature = request.input.example_list.examples.add().features.feature["x"]
        feature.float_list.value.append(x)
    return request


def refusal(call: Callable[..., object], request: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, TIMEOUT_S)
    return caught.value.code(), caught.value.details()


def test_predict_answers_as_tensorflow_serving_does(server: Server) -> None:
    answer = server.predictions.Predict(predict_request([2.0, 4.0]), TIMEOUT_S)
    assert list(answer.outputs["y"].float_val) == [3.0, 4.0]
    assert answer.outputs["y"].dtype == types_pb2.DT_FLOAT
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [2]
    assert set(answer.outputs) == {"y", "z"}
    spec = answer.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == (
        "default",
        "serving_default",
        123,
    )


def test_a_shape_that_the_placeholder_does_not_have_is_the_graphs_affair(server: Server) -> None:
    """The first example of TensorFlow Serving's documentation feeds [3] to [None, 1]."""
    request = predict_request([1.0, 2.0, 5.0])
    request.model_spec.signature_name = "column"
    answer = server.predictions.Predict(request, TIMEOUT_S)
    assert list(answer.outputs["y"].float_val) == [2.5, 3.0, 4.5]


def test_output_filter_runs_just_what_it_names(server: Server) -> None:
    request = predict_request()
    request.output_filter.append("z")
    assert set(server.predictions.Predict(request, TIMEOUT_S).outputs) == {"z"}


def test_strings_come_back_byte_for_byte(server: Server) -> None:
    words = [b"", b"\x00ends with zero\x00", b"\xff" * 300]
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "echo"
    request.inputs["words"].CopyFrom(tf.make_tensor_proto(np.array(words, object)))
    answer = server.predictions.Predict(request, TIMEOUT_S)
    assert list(answer.outputs["words"].string_val) == words


def _edited(edit: Callable[[PredictRequest], object]) -> PredictRequest:
    request = predict_request()
    edit(request)
    return request


@pytest.mark.parametrize(
    ("edit", "code", "text"),
    [
        (lambda r: r.model_spec.ClearField("name"), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (lambda r: setattr(r.model_spec, "name", "cat"), "NOT_FOUND", "Servable not found for request: Latest(cat)"),
        (lambda r: setattr(r.model_spec.version, "value", 7), "NOT_FOUND", "Servable not found for request: Specific(default, 7)"),
        (lambda r: setattr(r.model_spec, "version_label", "best"), "INVALID_ARGUMENT", "Unrecognized servable version label: best"),
        (lambda r: setattr(r.model_spec, "signature_name", "no"), "FAILED_PRECONDITION", 'Serving signature key "no" not found.'),
        (lambda r: r.inputs["w"].CopyFrom(r.inputs["x"]), "INVALID_ARGUMENT",
         "input size does not match signature: 2!=1 len({w,x}) != len({x}). Sent extra: {w}. Missing but required: {}."),
        (lambda r: r.inputs.clear(), "INVALID_ARGUMENT",
         "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}."),
        (lambda r: (r.inputs["w"].CopyFrom(r.inputs["x"]), r.inputs.pop("x")), "INVALID_ARGUMENT",
         "Signature input alias: x(feed name: x:0) not found in request and no default value provided. "
         "Inputs expected to be in the request {w}, or default input alias set: "),
        (lambda r: r.inputs["x"].CopyFrom(tf.make_tensor_proto([True])), "INVALID_ARGUMENT",
         "Expects arg[0] to be float but bool is provided"),
        (lambda r: setattr(r.inputs["x"].tensor_shape.dim[0], "size", -1), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (lambda r: setattr(r.inputs["x"].tensor_shape.dim[0], "size", 10**12), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (lambda r: setattr(r.inputs["x"], "tensor_content", b"123"), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (lambda r: r.inputs["x"].ClearField("dtype"), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (lambda r: r.output_filter.append("w"), "INVALID_ARGUMENT",
         "output tensor alias not found in signature: w Outputs expected to be in the set {y,z}."),
        (lambda r: r.output_filter.extend(["y", "y"]), "INVALID_ARGUMENT", "duplicate output tensor alias: y"),
    ],
)  # fmt: skip
def test_predict_refuses_with_tensorflow_servings_words(
    server: Server, edit: Callable[[PredictRequest], object], code: str, text: str
) -> None:
    request = _edited(edit)
    assert refusal(server.predictions.Predict, request) == (grpc.StatusCode[code], text)


def test_one_value_may_stand_for_all(server: Server) -> None:
    request = predict_request([2.0])
    request.inputs["x"].tensor_shape.dim[0].size = 3
    answer = server.predictions.Predict(request, TIMEOUT_S)
    assert list(answer.outputs["y"].float_val) == [3.0, 3.0, 3.0]


def test_classify(server: Server) -> None:
    request = ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "classify_x_to_y"
    answer = server.predictions.Classify(with_example(with_example(request), 6.0), TIMEOUT_S)
    scores = [[c.score for c in each.classes] for each in answer.result.classifications]
    assert scores == [[3.0], [5.0]]
    assert answer.model_spec.signature_name == "classify_x_to_y"
    assert answer.model_spec.version.value == 123


def test_regress_merges_the_common_context_into_each_example(server: Server) -> None:
    request = RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "regress_x_to_y"
    shared = request.input.example_list_with_context
    shared.context.features.feature["x"].float_list.value.append(8.0)
    shared.examples.add()
    shared.examples.add().features.feature["other"].int64_list.value.append(1)
    answer = server.predictions.Regress(request, TIMEOUT_S)
    assert [each.value for each in answer.result.regressions] == [6.0, 6.0]


@pytest.mark.parametrize(
    ("signature", "x", "code", "text"),
    [
        ("classify_x_to_y", None, "INVALID_ARGUMENT", "Input is empty."),
        ("no", 2.0, "INVALID_ARGUMENT", "No signature was found with the name: no"),
        ("serving_default", 2.0, "FAILED_PRECONDITION", "No classification inputs found in SignatureDef: "),
        ("regress_x_to_y", 2.0, "FAILED_PRECONDITION",
         'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was: '),
    ],
)  # fmt: skip
def test_classify_refuses(
    server: Server, signature: str, x: float | None, code: str, text: str
) -> None:
    request = ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", signature
    given, details = refusal(server.predictions.Classify, with_example(request, x))
    assert given == grpc.StatusCode[code]
    assert details.startswith(text)


def multi_request(*tasks: tuple[str, str, str]) -> MultiInferenceRequest:
    request = MultiInferenceRequest()
    for name, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = name, signature
    return with_example(request)


@pytest.mark.parametrize("regress", ["regress_x_to_y", "own_regress_x_to_y"])
def test_multi_inference(server: Server, regress: str) -> None:
    request = multi_request(("default", regress, REGRESS), ("default", "classify_x_to_y", CLASSIFY))
    regression, classification = server.predictions.MultiInference(request, TIMEOUT_S).results
    assert regression.regression_result.regressions[0].value == 3.0
    assert classification.classification_result.classifications[0].classes[0].score == 3.0
    assert regression.model_spec.signature_name == regress
    assert classification.model_spec.version.value == 123


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ([("default", "regress_x_to_y", REGRESS), ("", "classify_x_to_y", CLASSIFY)],
         "INVALID_ARGUMENT", "Found ModelSpec with an empty model name."),
        ([("default", "regress_x_to_y", REGRESS), ("cat", "classify_x_to_y", CLASSIFY)],
         "INVALID_ARGUMENT", "All ModelSpecs in a MultiInferenceRequest must access the same model name."),
        ([("default", "regress_x_to_y", REGRESS)] * 2,
         "INVALID_ARGUMENT", "Duplicate evaluation of signature: regress_x_to_y"),
        ([("default", "no", REGRESS)], "INVALID_ARGUMENT", "Requested signature not found in model graph: no"),
        ([("default", "regress_x_to_y", "predict")], "UNIMPLEMENTED", "Unsupported signature method_name: predict"),
    ],
)  # fmt: skip
def test_multi_inference_refuses(
    server: Server, tasks: list[tuple[str, str, str]], code: str, text: str
) -> None:
    request = multi_request(*tasks)
    assert refusal(server.predictions.MultiInference, request) == (grpc.StatusCode[code], text)


def test_metadata_has_every_signature(server: Server) -> None:
    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "default"
    answer = server.predictions.GetModelMetadata(request, TIMEOUT_S)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("default", 123)
    signatures = SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].dtype == types_pb2.DT_FLOAT
    assert signatures.signature_def["regress_x_to_y"].method_name == REGRESS


@pytest.mark.parametrize(
    ("name", "fields", "text"),
    [
        (None, ["signature_def"], "Missing ModelSpec"),
        ("default", [], "GetModelMetadataRequest must specify at least one metadata_field"),
        ("default", ["weights"], "Metadata field %s is not supportedweights"),
    ],
)
def test_metadata_refuses(server: Server, name: str | None, fields: list[str], text: str) -> None:
    request = GetModelMetadataRequest(metadata_field=fields)
    if name:
        request.model_spec.name = name
    code, details = refusal(server.predictions.GetModelMetadata, request)
    assert (code, details) == (grpc.StatusCode.INVALID_ARGUMENT, text)


def test_model_status(server: Server) -> None:
    request = GetModelStatusRequest()
    request.model_spec.name = "default"
    [status] = server.models.GetModelStatus(request, TIMEOUT_S).model_version_status
    assert (status.version, status.state) == (123, ModelVersionStatus.AVAILABLE)
    assert (status.status.error_code, status.status.error_message) == (0, "")
    request.model_spec.version.value = 5
    assert refusal(server.models.GetModelStatus, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find version 5 of model default",
    )
    request.model_spec.Clear()
    request.model_spec.name = "cat"
    assert refusal(server.models.GetModelStatus, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find any versions of model cat",
    )


def test_health_and_reflection(server: Server) -> None:
    health = health_pb2_grpc.HealthStub(server.channel)
    for service in ("", "tensorflow.serving.PredictionService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), TIMEOUT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    [answer] = stub.ServerReflectionInfo(iter([asked]), timeout=TIMEOUT_S)
    names = {service.name for service in answer.list_services_response.service}
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} <= names


def test_calls_run_with_their_own_batch_sizes(server: Server) -> None:
    calls = [
        server.predictions.Predict.future(predict_request([float(n)] * (n % 5 + 1)), TIMEOUT_S)
        for n in range(100)
    ]
    for n, call in enumerate(calls):
        assert list(call.result().outputs["y"].float_val) == [n / 2 + 2] * (n % 5 + 1)
