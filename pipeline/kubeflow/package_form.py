"""Holds a package against kfp's messages: whether it is one, and has nothing that they lack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec import pipeline_spec_pb2

from foundation.errors import UserError
from pipeline.kubeflow.package import Package

_LONGEST_REASON = 240  # characters


def check_form(package: Package) -> None:
    """Makes sure that everything in a package is of the kind that it should be.

    Raises:
        UserError: something is not.
    """
    for document, message in _documents(package):
        try:
            json_format.ParseDict(document, message, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"The package is damaged: {_in_a_line(error)}.") from None


def unknown_fields(package: Package) -> Iterator[tuple[str, str]]:
    """Yields what kfp's messages do not know, of a package that has the right form.

    Yields:
        A message's name, and what is unknown in it.
    """
    for document, message in _documents(package):
        try:
            json_format.ParseDict(document, message)
        except json_format.ParseError as error:
            yield message.DESCRIPTOR.name, _in_a_line(error)


def _documents(package: Package) -> list[tuple[dict[str, Any], Message]]:
    """Lists what there is in JSON form, each with an empty message of its kind."""
    return [
        (package.pipeline, pipeline_spec_pb2.PipelineSpec()),
        (package.pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()),
        (package.platform, pipeline_spec_pb2.PlatformSpec()),
    ]


def _in_a_line(error: Exception) -> str:
    """Shortens what protobuf says: it lists every field that there is, and values as they are."""
    line = " ".join(str(error).split()).partition(" Available Fields")[0].rstrip(".")
    return f"{line[:_LONGEST_REASON]}..." if len(line) > _LONGEST_REASON else line
