"""TFX's ExampleValidator, which also stops the run when it finds an anomaly."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import ANOMALIES_KEY

_LONGEST = 300  # characters: TFDV lists every unexpected value


class AnomaliesFoundError(Exception):
    """The data does not fit the schema; the message lists the anomalies."""


class ExampleValidatorExecutor(executor.Executor):
    """Validates, then raises on anomalies, so that no later node sees the data."""

    def Do(  # noqa: N802 - overrides TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> execution_result_pb2.ExecutorOutput:
        """Validates; see `tfx.components.example_validator.executor.Executor.Do`.

        Raises:
            AnomaliesFoundError: a split does not fit the schema.
        """
        result = super().Do(input_dict, output_dict, exec_properties)
        anomalies = artifact_utils.get_single_instance(output_dict[ANOMALIES_KEY])
        found = [
            f"{split} split, {text}"
            for split in artifact_utils.decode_split_names(anomalies.split_names)
            for text in anomalies_in_words(Path(artifact_utils.get_split_uri([anomalies], split)))
        ]
        if found:
            raise AnomaliesFoundError(
                f"The data does not fit the schema: {'; '.join(found)}. Mend the data, or the "
                "schema if the data is right."
            )
        return result


class ExampleValidator(component.ExampleValidator):
    """`tfx.components.ExampleValidator` that stops the run on an anomaly.

    `code` is the fingerprint of this component's code.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ExampleValidatorExecutor)

    def __init__(
        self, *, statistics: types.BaseChannel, schema: types.BaseChannel, code: str
    ) -> None:
        super().__init__(statistics=statistics, schema=schema)
        self.spec.exec_properties["code"] = code  # the cache compares all of them


def anomalies_in_words(folder: Path) -> list[str]:
    """Lists the anomalies in a split's folder of the component's output."""
    anomalies = anomalies_pb2.Anomalies()
    anomalies.ParseFromString((folder / executor.DEFAULT_FILE_NAME).read_bytes())
    texts = [
        textwrap.shorten(f"{name}: {info.description.rstrip('. ')}", _LONGEST, placeholder=" ...")
        for name, info in sorted(anomalies.anomaly_info.items())
    ]
    if anomalies.HasField("dataset_anomaly_info"):
        texts.append(anomalies.dataset_anomaly_info.description.rstrip(". "))
    return texts
