"""What a URL of the REST API asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from tensorflow_serving.apis.model_pb2 import ModelSpec

_VERSION_OR_LABEL = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?"
_FLAGS = re.IGNORECASE | re.ASCII
_PREDICTION = re.compile(
    rf"/v1/models/([^/:]+){_VERSION_OR_LABEL}:(classify|regress|predict)", _FLAGS
)
_STATUS = re.compile(rf"/v1/models(?:/([^/:]+))?{_VERSION_OR_LABEL}(?:/(metadata))?", _FLAGS)


class UnreadableVersionError(Exception):
    """A version of more than 64 bits, which TensorFlow Serving answers without a body."""


@dataclass(frozen=True)
class Target:
    """A model, maybe one version of it, and what to do with it.

    Args:
        model_name: empty where the URL names none.
        version: number, if given.
        label: of a version, if given.
        action: `predict`, `classify`, `regress`, `metadata`, or empty for the status.
    """

    model_name: str
    version: int | None
    label: str | None
    action: str

    @property
    def model_spec(self) -> ModelSpec:
        """Names model and version as gRPC calls do."""
        spec = ModelSpec(name=self.model_name)
        if self.version is not None:
            spec.version.value = self.version
        if self.label is not None:
            spec.version_label = self.label
        return spec


def read_target(method: str, path: str) -> Target | None:
    """Reads a request line.

    Args:
        method: of HTTP.
        path: undecoded, with the query, which no URL of this API has.

    Returns:
        What is asked for; None where the API has no such URL.

    Raises:
        UnreadableVersionError: the version has more than 64 bits.
    """
    pattern = {"POST": _PREDICTION, "GET": _STATUS}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        return None
    name, version, label, action = match.groups()
    if version is not None and (len(version.lstrip("0")) > 19 or int(version) >= 2**63):
        raise UnreadableVersionError
    # Letters of either case match, but only these are known to do something.
    if method == "POST" and action != action.lower():
        return None
    return Target(
        unquote(name or "", errors="replace"),
        None if version is None else int(version),
        None if label is None else unquote(label, errors="replace"),
        action if method == "POST" or action == "metadata" else "",
    )
