"""Finds out before hours of training whether the Evaluator will know what it is to slice on."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.eval_slices import DERIVED
from datasets.example import IMAGE_KEY
from pipeline.config import EvaluatorConfig
from pipeline.errors import UserError


def check_slices(bounds: EvaluatorConfig, schema_file: Path) -> None:
    """Holds the names in `evaluator.slices` against the features that there are.

    Args:
        bounds: names the features.
        schema_file: the schema that the converter wrote.

    Raises:
        UserError: a name is neither a feature of the records nor derived from them.
    """
    if not bounds.slices:
        return
    schema = text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())
    known = [*DERIVED, *(each.name for each in schema.feature if each.name != IMAGE_KEY)]
    if unknown := [name for name in bounds.slices if name not in known]:
        raise UserError(
            f"evaluator.slices: there is no feature {', '.join(unknown)} in the records. "
            f"There are {', '.join(known)}."
        )
