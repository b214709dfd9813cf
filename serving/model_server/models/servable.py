"""One loaded version of a model, and its TensorFlow session."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.model_server.errors import ServingError, invalid_argument

DEFAULT_SIGNATURE = "serving_default"
PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"

Signatures = Mapping[str, SignatureDef]


def signature_name(spec: ModelSpec) -> str:
    """Returns the signature name in `spec`, or the default one."""
    return spec.signature_name or DEFAULT_SIGNATURE


def answered_by(name: str, signature: str, version: int) -> ModelSpec:
    """Builds the ModelSpec of a response: model, signature and version."""
    spec = ModelSpec(name=name, signature_name=signature)
    spec.version.value = version
    return spec


_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Call:
    """Feeds and fetches of one session run, by graph name."""

    feeds: tuple[tuple[str, NDArray[Any]], ...]
    fetches: tuple[str, ...]

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns what two calls must share to be batched together."""
        return tuple(name for name, _ in self.feeds), self.fetches


class Servable:
    """SavedModel in a session of its own, as TensorFlow Serving loads it.

    Unlike `tf.saved_model.load`, a session runs only what an output filter asks for, and closing it
    frees all its memory, whereas eagerly loaded functions stay known to the process.

    Raises:
        ServingError: there is no such graph, or it cannot be read.
    """

    def __init__(
        self, name: str, version: int, path: Path, tags: Sequence[str], config: ConfigProto
    ) -> None:
        self.name = name
        self.version = version
        self.path = path
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, list(tags), str(path))
            self._session._extend_graph()
        # A damaged file may raise anything.
        except Exception as error:
            self._session.close()
            raise _load_error(path, error) from error
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)
        self._signature_keys = {
            (_names(signature.inputs), _names(signature.outputs))
            for signature in self.signatures.values()
        }
        self._tensors: dict[str, tf.Tensor] = {}
        self._lock = threading.Lock()

    def run(self, call: Call) -> list[NDArray[Any]]:
        """Runs the graph; returns one array per fetch, strings as `object`. Thread-safe.

        Raises:
            ServingError: with the code and message that TensorFlow gives.
        """
        fed = {}
        for place, (name, array) in enumerate(call.feeds):
            tensor = self._tensor(name)
            given = tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)
            if given != tensor.dtype:
                raise invalid_argument(
                    f"Expects arg[{place}] to be {_type_name(tensor.dtype)} but "
                    f"{_type_name(given)} is provided"
                )
            fed[name] = array
        # What is fed cannot be fetched as well.
        fetches = [name for name in dict.fromkeys(call.fetches) if name not in fed]
        try:
            # Not `run`, which holds feeds against the placeholders' static shapes. Sessions in C++
            # do not, and neither does TensorFlow Serving.
            answers = fetches and self._session._call_tf_sessionrun(
                None,
                {self._tensor(name)._as_tf_output(): array for name, array in fed.items()},
                [self._tensor(name)._as_tf_output() for name in fetches],
                [],
                None,
            )
        except tf.errors.OpError as error:
            raise ServingError(_CODES[error.error_code], error.message) from error
        fetched = {**fed, **dict(zip(fetches, map(_as_array, answers), strict=True))}
        return [fetched[name] for name in call.fetches]

    def has_signature(self, call: Call) -> bool:
        """Checks whether a signature has exactly these inputs and outputs; others do not batch."""
        return call.key in self._signature_keys

    def close(self) -> None:
        """Frees the version's memory; no run may follow."""
        self._session.close()
        self._tensors.clear()
        del self._session
        gc.collect()  # graphs are full of reference cycles
        _return_freed_memory()

    def _tensor(self, name: str) -> tf.Tensor:
        tensor = self._tensors.get(name)
        if tensor is None:
            with self._lock:
                tensor = self._session.graph.get_tensor_by_name(name)
                self._tensors[name] = tensor
        return tensor


def _return_freed_memory() -> None:
    """Returns the C library's free memory to the system: a model is much of the process."""
    with suppress(AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def _type_name(dtype: tf.DType) -> str:
    """Returns a type's name as in TensorFlow's messages: `float`, not `float32`."""
    return str(types_pb2.DataType.Name(dtype.as_datatype_enum)).removeprefix("DT_").lower()


def _names(tensors: Mapping[str, TensorInfo]) -> tuple[str, ...]:
    """Returns the graph names in the order of the aliases."""
    return tuple(tensors[alias].name for alias in sorted(tensors))


def _as_array(answer: object) -> NDArray[Any]:
    """Converts a fetched value; a session returns a scalar string as bytes."""
    if isinstance(answer, bytes):
        array = np.empty((), dtype=object)
        array[()] = answer
        return array
    return np.asarray(answer)


def _load_error(path: Path, error: Exception) -> ServingError:
    if isinstance(error, tf.errors.OpError):
        return ServingError(_CODES[error.error_code], error.message)
    if isinstance(error, OSError):
        missing = (
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}"
        )
        return ServingError(grpc.StatusCode.NOT_FOUND, missing)
    if isinstance(error, RuntimeError):
        return ServingError(grpc.StatusCode.NOT_FOUND, str(error))
    return ServingError(
        grpc.StatusCode.DATA_LOSS,
        f"The SavedModel at {path} is damaged: {type(error).__name__}: {error}",
    )


State = ModelVersionStatus


@dataclass
class Version:
    """Version that the server knows of; the manager's lock guards every field."""

    number: int
    path: Path
    state: int = State.START
    servable: Servable | None = None
    users: int = 0
    wanted: bool = True
    failures: int = 0
    next_attempt: float = field(default_factory=time.monotonic)
    error: ServingError | None = None

    @property
    def failed(self) -> bool:
        """Returns whether loading was given up."""
        return self.state == State.END and self.error is not None

    def status(self) -> ModelVersionStatus:
        """Builds the version's status for GetModelStatus."""
        status = ModelVersionStatus(version=self.number, state=self.state)
        status.status.SetInParent()  # TensorFlow Serving sends it even without an error
        if self.error is not None:
            code: grpc.StatusCode = self.error.code
            status.status.error_code = code.value[0]
            status.status.error_message = self.error.message
        return status
