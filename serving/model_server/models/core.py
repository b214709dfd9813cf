"""Configures the server's models, resolves version labels and runs calls."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from numpy.typing import NDArray
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelConfigList,
    ModelServerConfig,
    ModelType,
)

from serving.model_server.config_files import read_text_proto
from serving.model_server.config_pb2 import BatchingParameters
from serving.model_server.errors import ServingError, failed_precondition, invalid_argument
from serving.model_server.metrics import Metrics
from serving.model_server.models.batching import BatchingOptions, BatchScheduler
from serving.model_server.models.manager import Manager, ModelSource
from serving.model_server.models.servable import Call, Servable, State
from serving.model_server.models.warmup import warm_up
from serving.model_server.options import ServerOptions, default_threads

_PLATFORM = "tensorflow"


def read_model_config(options: ServerOptions) -> ModelServerConfig:
    """Returns the models of the file (raises `ServingError` if unreadable) or of the flags."""
    if options.model_config_file:
        return read_text_proto(options.model_config_file, ModelServerConfig())
    config = ModelServerConfig()
    config.model_config_list.config.add(
        name=options.model_name, base_path=options.model_base_path, model_platform=_PLATFORM
    )
    return config


def check_model_config(new: ModelServerConfig, current: ModelServerConfig | None) -> None:
    """Checks a configuration as TensorFlow Serving does.

    `current` is the one to be replaced, None at the start.

    Raises:
        ServingError: `new` is refused, with TensorFlow Serving's code and message.
    """
    if new.WhichOneof("config") == "custom_model_config":
        if current is not None:
            raise failed_precondition(
                "Cannot transition to requested config. It is only legal to transition from one "
                "ModelConfigList to another."
            )
        raise invalid_argument("ModelServer does not yet support custom model config.")
    names = set()
    for config in new.model_config_list.config:
        if config.name in names:
            raise invalid_argument(
                f"Illegal to list model {config.name} multiple times in config list"
            )
        names.add(config.name)
        platform = _platform_of(config)
        if platform != _PLATFORM:
            raise invalid_argument(f"Model {config.name} requests unsupported platform {platform}")
        if not config.base_path:
            raise invalid_argument(f"Expected model {config.name} to have a base_path.")


def sources_of(models: ModelConfigList) -> list[ModelSource]:
    """Returns the folder and version policy of each model."""
    return [
        ModelSource(config.name, Path(config.base_path), config.model_version_policy)
        for config in models.config
    ]


def _platform_of(config: ModelConfig) -> str:
    if config.model_type != ModelType.MODEL_TYPE_UNSPECIFIED:
        if config.model_platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                f"ModelServerConfig::model_platform, model name is {config.name}"
            )
        if config.model_type != ModelType.TENSORFLOW:
            raise invalid_argument(
                f"ModelServerConfig::model_type choice {config.model_type} not supported."
            )
        return _PLATFORM
    if not config.model_platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {config.name}"
        )
    return str(config.model_platform)


logger = logging.getLogger(__name__)

_THREADS_PER_CPU = 4


class ServerCore:
    """Served models: applies configurations, lends versions and runs calls.

    Once `stopping` is set, loading, warming up and waiting end.

    Raises:
        ServingError: the batching parameters cannot be read.
    """

    def __init__(self, options: ServerOptions, metrics: Metrics, stopping: threading.Event) -> None:
        self._options = options
        self._metrics = metrics
        self._stopping = stopping
        self._batches: BatchScheduler | None = None
        if options.enable_batching:
            self._batches = BatchScheduler(_batching_options(options), metrics)
        self._pool = ThreadPoolExecutor(_THREADS_PER_CPU * default_threads(), "session")
        self._config: ModelServerConfig | None = None
        self._labels: dict[str, dict[str, int]] = {}
        self._reloading = threading.Lock()
        self._manager = Manager(self._load, options, stopping)

    def configure(self, config: ModelServerConfig, cancelled: threading.Event) -> None:
        """Applies a list of models; returns when the new ones are available.

        Setting `cancelled` ends the wait; the configuration stays.

        Raises:
            ServingError: the list is refused, and nothing has changed; or a new model cannot be
                loaded, or the server stops before it is.
        """
        with self._reloading:
            check_model_config(config, self._config)
            labels = self._new_labels(config)
            known = set(self._configured(self._config))
            self._config, self._labels = config, labels
            self._manager.set_sources(sources_of(config.model_config_list))
            new = [
                model.name for model in config.model_config_list.config if model.name not in known
            ]
        lost = self._manager.wait_until_available(new, cancelled=cancelled)
        if lost:
            reasons = ", ".join(
                f"{{name: {name} version: {version.number}}} due to error: "
                f"{version.error.message if version.error else ''}"
                for name, version in lost
            )
            raise ServingError(
                grpc.StatusCode.UNKNOWN,
                f"{len(lost)} model(s) did not become available: {{{reasons}}}",
            )

    @contextmanager
    def using(self, spec: ModelSpec) -> Iterator[Servable]:
        """Lends the version that a request names; raises `ServingError` if unavailable."""
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        with self._manager.using(spec.name, self._version_of(spec)) as servable:
            yield servable

    def run(self, servable: Servable, call: Call, method: str) -> Future[list[NDArray[Any]]]:
        """Starts a call, batched if batching is on; raises `ServingError` if it cannot queue."""
        if self._batches is not None and servable.has_signature(call):
            return self._batches.submit(servable, call)
        return self._pool.submit(self._run_alone, servable, call, method)

    def status(self, spec: ModelSpec) -> list[ModelVersionStatus]:
        """Returns the states of one version or all; raises `ServingError` (NOT_FOUND) if none."""
        version = self._version_of(spec)
        states = [
            state.status()
            for state in self._manager.states(spec.name)
            if version is None or state.number == version
        ]
        if not states:
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find any versions of model {spec.name}"
                if version is None
                else f"Could not find version {version} of model {spec.name}",
            )
        return states

    def close(self) -> None:
        """Ends running calls, then unloads all models."""
        self._manager.close()
        if self._batches is not None:
            self._batches.close()
        self._pool.shutdown()

    @staticmethod
    def _configured(config: ModelServerConfig | None) -> list[str]:
        return [model.name for model in config.model_config_list.config] if config else []

    def _run_alone(self, servable: Servable, call: Call, method: str) -> list[NDArray[Any]]:
        started = time.monotonic()
        arrays = servable.run(call)
        self._metrics.session_run(servable.name, method, time.monotonic() - started)
        return arrays

    def _version_of(self, spec: ModelSpec) -> int | None:
        choice = spec.WhichOneof("version_choice")
        if choice == "version":
            return int(spec.version.value)
        if choice is None:
            return None
        version = self._labels.get(spec.name, {}).get(spec.version_label)
        if version is None:
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        return version

    def _new_labels(self, config: ModelServerConfig) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for model in config.model_config_list.config:
            available = {
                version.number
                for version in self._manager.states(model.name)
                if version.state == State.AVAILABLE
            }
            for label, version in model.version_labels.items():
                is_new = self._labels.get(model.name, {}).get(label, version) == version
                lenient = self._options.allow_version_labels_for_unavailable_models and is_new
                if version not in available and not lenient:
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )
                labels.setdefault(model.name, {})[label] = version
        return labels

    def _load(self, name: str, version: int, path: Path) -> Servable:
        logger.info("Loading servable version {name: %s version: %d}", name, version)
        started = time.monotonic()
        try:
            servable = Servable(
                name,
                version,
                path,
                self._options.saved_model_tags.split(","),
                _session_config(self._options),
            )
        except Exception:
            self._metrics.loaded(str(path), time.monotonic() - started, ok=False)
            raise
        self._metrics.loaded(str(path), time.monotonic() - started, ok=True)
        if self._options.enable_model_warmup:
            self._warm_up(servable)
        return servable

    def _warm_up(self, servable: Servable) -> None:
        started = time.monotonic()
        try:
            count = warm_up(
                servable, self._options.num_request_iterations_for_warmup or 1, self._stopping
            )
        except Exception:
            self._metrics.warmed_up(str(servable.path), time.monotonic() - started, ok=False)
            servable.close()
            raise
        seconds = time.monotonic() - started
        if count:
            self._metrics.warmed_up(str(servable.path), seconds, ok=True)
            logger.info("Ran %d warm-up requests in %.1f s", count, seconds)


def _batching_options(options: ServerOptions) -> BatchingOptions:
    parameters = BatchingParameters()
    if options.batching_parameters_file:
        read_text_proto(options.batching_parameters_file, parameters)
    return BatchingOptions.from_proto(parameters)


def _session_config(options: ServerOptions) -> ConfigProto:
    config = ConfigProto(
        intra_op_parallelism_threads=options.tensorflow_intra_op_parallelism
        or options.tensorflow_session_parallelism,
        inter_op_parallelism_threads=options.tensorflow_inter_op_parallelism
        or options.tensorflow_session_parallelism,
    )
    config.gpu_options.per_process_gpu_memory_fraction = options.per_process_gpu_memory_fraction
    return config
