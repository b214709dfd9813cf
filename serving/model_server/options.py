"""TensorFlow Serving's command-line flags, as one typed object."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Longest request. TensorFlow Serving's 2 GB let a few callers fill the memory;
`--grpc_channel_arguments=grpc.max_receive_message_length=N` raises it, as there."""

_MINUTE_US = 60 * 1_000_000

_WITHOUT_EFFECT = {
    "rest_api_num_threads": "one event loop answers REST",
    "grpc_max_threads": "one event loop answers gRPC",
    "num_load_threads": "versions are loaded one after another",
    "num_unload_threads": "versions are unloaded one after another",
    "flush_filesystem_caches": "the operating system's cache is left alone",
    "remove_unused_fields_from_bundle_metagraph": "graphs are kept whole",
    "enforce_session_run_timeout": "a call past its deadline is not run",
    "enable_profiler": "TensorFlow's profiler is not offered",
    "rest_api_enable_cors_support": "answers have no CORS headers",
    "enable_per_model_batching_parameters": "all models are batched alike",
    "tensorflow_session_config_file": "sessions are configured by flags",
    "platform_config_file": "there is one platform, configured by flags",
    "prefer_tflite_model": "only SavedModels are served",
    "num_tflite_pools": "only SavedModels are served",
    "num_tflite_interpreters_per_pool": "only SavedModels are served",
    "xla_cpu_compilation_enabled": "graphs are compiled as they ask for it",
    "xla_gpu_compilation_enabled": "graphs are compiled as they ask for it",
    "thread_pool_factory_config_file": "threads are TensorFlow's own",
    "mixed_precision": "graphs run in the precision that they were exported with",
    "skip_initialize_tpu": "there is no TPU",
    "enable_grpc_healthcheck_service": "it is always there",
    "enable_serialization_as_tensor_content": "values stand in the field of their type",
}
"""Flags accepted for compatibility with TensorFlow Serving, and why they have no effect."""

_ALTS = "use_alts_credentials"


class ServerOptions(BaseModel):
    """Settings of the model server; names and defaults are `tensorflow_model_server`'s.

    Raises:
        pydantic.ValidationError: flags contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    port: int = Field(8500, ge=0, le=65535, description="TCP port of the gRPC API; 0: none")
    host: str = Field(
        "localhost",
        min_length=1,
        description="name or address that both ports listen on; 0.0.0.0 is every one; "
        "TensorFlow Serving has no such flag and always listens on every one",
    )
    grpc_socket_path: str = Field("", description="UNIX socket for the gRPC API")
    rest_api_port: int = Field(0, ge=0, le=65535, description="TCP port of the REST API; 0: none")
    rest_api_timeout_in_ms: int = Field(30_000, gt=0, description="longest REST call")
    enable_batching: bool = Field(False, description="run requests together")
    batching_parameters_file: str = Field("", description="BatchingParameters, as text proto")
    allow_version_labels_for_unavailable_models: bool = Field(
        False, description="let a new label name a version that is not available yet"
    )
    model_config_file: str = Field(
        "", description="ModelServerConfig, as text proto; replaces the next two flags"
    )
    model_config_file_poll_wait_seconds: int = Field(
        0, ge=0, description="how often that file is read again; 0: never"
    )
    model_name: str = Field("default", description="name of the one model")
    model_base_path: str = Field("", description="folder of its versions")
    max_num_load_retries: int = Field(5, ge=0, description="attempts after a failed load")
    load_retry_interval_micros: int = Field(_MINUTE_US, description="pause between them")
    file_system_poll_wait_seconds: int = Field(
        1, ge=0, description="how often folders are looked at for new versions; 0: once"
    )
    servable_versions_always_present: bool = Field(
        True, description="keep serving when every version has vanished from its folder"
    )
    tensorflow_session_parallelism: int = Field(0, ge=0, description="threads of a session")
    tensorflow_intra_op_parallelism: int = Field(0, ge=0, description="threads of one operation")
    tensorflow_inter_op_parallelism: int = Field(0, ge=0, description="operations side by side")
    per_process_gpu_memory_fraction: float = Field(0, ge=0, le=1, description="share of a GPU")
    ssl_config_file: str = Field("", description="SSLConfig, as text proto")
    saved_model_tags: str = Field("serve", description="tags of the graph, comma-separated")
    grpc_channel_arguments: str = Field("", description="KEY=VALUE, comma-separated")
    enable_model_warmup: bool = Field(True, description="replay a version's warm-up requests")
    num_request_iterations_for_warmup: int = Field(0, ge=0, description="how often each; 0: once")
    monitoring_config_file: str = Field("", description="MonitoringConfig, as text proto")
    enable_signature_method_name_check: bool = Field(
        False, description="refuse Classify and Regress on signatures made for Predict"
    )
    version: bool = Field(False, description="print versions and end")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.version:
            return self
        if not self.model_base_path and not self.model_config_file:
            raise ValueError("Both --model_base_path and --model_config_file are empty!")
        if self.batching_parameters_file and not self.enable_batching:
            raise ValueError(
                "--batching_parameters_file is set without setting --enable_batching to true."
            )
        if self.tensorflow_session_parallelism and (
            self.tensorflow_intra_op_parallelism or self.tensorflow_inter_op_parallelism
        ):
            raise ValueError(
                "Either configure --tensorflow_session_parallelism or "
                "(--tensorflow_intra_op_parallelism, --tensorflow_inter_op_parallelism) "
                "separately. You cannot configure all."
            )
        if self.port and self.port == self.rest_api_port:
            raise ValueError("--rest_api_port cannot be same as --port.")
        if not self.port and not self.grpc_socket_path:
            raise ValueError("Neither --port nor --grpc_socket_path says where to listen.")
        return self

    @property
    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """Returns the gRPC server's options, whole numbers as int."""
        chosen: dict[str, int | str] = {
            # Two servers on one port would silently share its callers.
            "grpc.so_reuseport": 0,
            "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
            "grpc.max_send_message_length": -1,
        }
        for argument in filter(None, self.grpc_channel_arguments.split(",")):
            key, _, value = argument.partition("=")
            chosen[key] = int(value) if value.lstrip("-").isdecimal() else value
        return list(chosen.items())


def parse_flags(arguments: Sequence[str], program: str) -> ServerOptions:
    """Parses flags as TensorFlow does: `--name=value`, `--name value`, or `--switch`.

    Raises:
        SystemExit: with 2 and one line on standard error if a flag is unknown, invalid, or
            contradicts another.
    """
    parser = argparse.ArgumentParser(
        program,
        # Not all flags: the error would scroll away.
        usage="%(prog)s --model_base_path=FOLDER [--FLAG=VALUE ...], or --help",
        description="Serves SavedModels over TensorFlow Serving's gRPC and REST APIs.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, info in ServerOptions.model_fields.items():
        _add_flag(parser, name, info.default, info.description or "")
    for name, reason in _WITHOUT_EFFECT.items():
        _add_flag(parser, name, "", f"no effect: {reason}")
    _add_flag(parser, _ALTS, False, "only false: Google's ALTS is not offered")
    given = vars(parser.parse_args(arguments))
    if str(given.pop(_ALTS)).lower() not in ("false", "0"):
        # Not ignored: calls would go in the clear where they were to be encrypted.
        parser.error(f"--{_ALTS} is not offered; --ssl_config_file encrypts.")
    try:
        return ServerOptions(**{k: v for k, v in given.items() if k not in _WITHOUT_EFFECT})
    except ValidationError as error:
        parser.error("; ".join(_sentence(details) for details in error.errors()))


def without_effect(arguments: Sequence[str]) -> list[str]:
    """Returns a sentence for each flag given that this server accepts and does not follow."""
    given = {argument.split("=", 1)[0].lstrip("-") for argument in arguments}
    return [
        f"--{name} has no effect: {reason}"
        for name, reason in _WITHOUT_EFFECT.items()
        if name in given
    ]


def _add_flag(
    parser: argparse.ArgumentParser, name: str, default: object, description: str
) -> None:
    switch = {"nargs": "?", "const": "true"} if isinstance(default, bool) or not default else {}
    parser.add_argument(f"--{name}", default=default, metavar="VALUE", help=description, **switch)  # type: ignore[arg-type]


def _sentence(details: object) -> str:
    assert isinstance(details, dict)
    message = str(details["msg"]).removeprefix("Value error, ")
    return f"--{details['loc'][0]}: {message}" if details["loc"] else message


def default_threads() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))
