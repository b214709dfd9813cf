"""The life of one version: started, loaded, available, unloaded, ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from serving.model_server.errors import ServingError
from serving.model_server.models.servable import Servable

State = ModelVersionStatus


@dataclass
class Version:
    """A version that the server knows of; the manager's lock guards every field."""

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
        """Whether loading was given up."""
        return self.state == State.END and self.error is not None

    def status(self) -> ModelVersionStatus:
        """Describes the version for GetModelStatus."""
        status = ModelVersionStatus(version=self.number, state=self.state)
        status.status.SetInParent()  # present in TensorFlow Serving's answer, error or not
        if self.error is not None:
            code: grpc.StatusCode = self.error.code
            status.status.error_code = code.value[0]
            status.status.error_message = self.error.message
        return status
