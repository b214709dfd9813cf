"""Runs a model server as a child process that serves one model and never outlives its parent."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tfx.utils import io_utils

from foundation.names import TENSORFLOW_SERVING
from foundation.processes import end_with_parent

MODEL_NAME = "candidate"
_STOP_S = 10.0
_RETRY_MS = 100
_LOG_TAIL_BYTES = 64 * 1024
_LONGEST_LINE = 300  # characters
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",  # a GPU's memory is taken by the process that trained
    "TF_CPP_MIN_LOG_LEVEL": "2",  # TensorFlow warns of every request that it refuses
}


class ServerFailedError(Exception):
    """The child does not serve the model; the message says why."""


class TooSlowError(Exception):
    """The child does not serve or answer in time, which says nothing about the model.

    Args:
        setting: the setting that is the time, by its dotted key.
    """

    def __init__(self, message: str, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


@dataclass(frozen=True)
class ChildServer:
    """A model server that is answering."""

    channel: grpc.Channel
    call_timeout_s: float
    """How long a call may take."""
    process: subprocess.Popen[bytes]
    log_path: Path
    """Its stdout and stderr."""

    def has_died(self, wait_s: float = 0) -> bool:
        """Checks whether it has ended; a connection may break a moment before that."""
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def server_command() -> list[str]:
    """Returns the command of a model server: TensorFlow Serving if installed, else our own."""
    installed = shutil.which(TENSORFLOW_SERVING)
    return [installed] if installed else [sys.executable, "-m", "serving.model_server"]


@contextmanager
def child_server(
    model_path: str, log_dir: Path, start_timeout_s: float, call_timeout_s: float
) -> Iterator[ChildServer]:
    """Serves a model over a UNIX socket until the context ends, logging to `log_dir/server.log`.

    The SavedModel may be in a bucket. Yields once the model is served.

    Raises:
        ServerFailedError: the server ended, or cannot load the model.
        TooSlowError: it does not serve the model in time.
    """
    # The path of a socket may have a hundred characters, which a run's own folders may exceed.
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        base_path = Path(folder, MODEL_NAME)
        base_path.mkdir()
        version_path = base_path / "1"
        if os.path.isdir(model_path):
            version_path.symlink_to(os.path.abspath(model_path), target_is_directory=True)
        else:
            io_utils.copy_dir(model_path, str(version_path))
        address = f"unix:{folder}/socket"
        log_path = log_dir / "server.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    *server_command(),
                    f"--model_name={MODEL_NAME}",
                    f"--model_base_path={base_path}",
                    "--port=0",
                    "--max_num_load_retries=0",
                    f"--grpc_socket_path={folder}/socket",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT},
                preexec_fn=functools.partial(end_with_parent, os.getpid()),
            )
        channel = grpc.insecure_channel(
            address,
            [
                ("grpc.initial_reconnect_backoff_ms", _RETRY_MS),
                ("grpc.min_reconnect_backoff_ms", _RETRY_MS),
                ("grpc.max_reconnect_backoff_ms", _RETRY_MS),
                ("grpc.max_send_message_length", -1),
            ],
        )
        try:
            server = ChildServer(channel, call_timeout_s, process, log_path)
            _wait_until_served(server, start_timeout_s)
            yield server
        finally:
            channel.close()
            _stop(process)


def log_tail(log_path: Path) -> str:
    """Returns the last 64 KiB of a server's log."""
    with log_path.open("rb") as log:
        log.seek(max(0, log_path.stat().st_size - _LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")


def _last_line(log_path: Path) -> str:
    lines = log_tail(log_path).split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return textwrap.shorten(last, _LONGEST_LINE, placeholder=" ...")


def _wait_until_served(server: ChildServer, timeout_s: float) -> None:
    models = ModelServiceStub(server.channel)
    request = GetModelStatusRequest()
    request.model_spec.name = MODEL_NAME
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if server.has_died():
            raise ServerFailedError(
                f"the model server ended with code {server.process.returncode} instead of serving "
                f"the model: {_last_line(server.log_path)}"
            )
        try:
            status: GetModelStatusResponse = models.GetModelStatus(request, timeout=1)
        except grpc.RpcError:
            time.sleep(_RETRY_MS / 1000)
            continue
        states = [version.state for version in status.model_version_status]
        if ModelVersionStatus.AVAILABLE in states:
            return
        if ModelVersionStatus.END in states:
            [version] = status.model_version_status
            raise ServerFailedError(
                f"the model server cannot load the model: {version.status.error_message}"
            )
        time.sleep(_RETRY_MS / 1000)
    raise TooSlowError(
        f"the model server did not serve it within {timeout_s:g} s", "canary.start_timeout_s"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
