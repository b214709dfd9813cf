"""Baseline: copies the served model, which a new model must not be worse than.

TFX finds it with a Resolver node, which open-source Kubeflow Pipelines refuses to run. This
component reads the push destination instead, and always gives a Model artifact; an empty one means
that there is no baseline yet (`components.evaluator.component` handles that).
"""

import logging
import os
import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, standard_artifacts
from tfx.utils import io_utils, path_utils

from foundation.names import NEWEST_VERSION, NO_VERSION, SERVED_VERSION_PROPERTY
from foundation.versions import newest_version, read_about
from trainer.preprocessing.breeds import breeds_of_schema


@component
def Baseline(  # noqa: N802 - a component is named as a class
    schema: InputArtifact[standard_artifacts.Schema],
    model: OutputArtifact[standard_artifacts.Model],
    push_destination: Parameter[str],
    version: Parameter[str],
    code: Parameter[str],
) -> None:
    """Copies the served model, so that it can be evaluated even after it was replaced.

    A version with other classes is no baseline, because the labels of the two models do not match.

    Args:
        schema: names this run's classes.
        model: receives the model, or stays empty.
        push_destination: the folder that the model server watches.
        version: a version's number, `none` or `newest`.
        code: fingerprint of this component's code.

    Raises:
        ValueError: `version` is not in `push_destination`.
    """
    base_path = Path(push_destination)
    if version == NEWEST_VERSION:
        newest = newest_version(base_path)
        version = NO_VERSION if newest is None else str(newest)
    model.set_string_custom_property(SERVED_VERSION_PROPERTY, version)
    # The folder must exist even if it stays empty: Kubeflow uploads every output.
    os.makedirs(model.uri, exist_ok=True)
    if version == NO_VERSION:
        logging.info("No version in %s: there is no baseline.", push_destination)
        return
    source = base_path / version
    if not source.is_dir():
        raise ValueError(
            f"Version {version} has gone from {push_destination} since this run began. Run again."
        )
    if read_about(source).get("breeds") != breeds_of_schema(
        io_utils.get_only_uri_in_dir(schema.uri)
    ):
        logging.info("Version %s names other breeds: there is no baseline.", version)
        return
    shutil.copytree(source, path_utils.serving_model_dir(model.uri), dirs_exist_ok=True)
    logging.info("The baseline is version %s of %s.", version, push_destination)


def holds_model(artifact: Artifact) -> bool:
    """Says whether a Model artifact of `Baseline` holds a model."""
    saved_model = Path(path_utils.serving_model_dir(artifact.uri), "saved_model.pb")
    return saved_model.is_file()
