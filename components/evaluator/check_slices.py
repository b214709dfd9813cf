"""Finds out before hours of training whether the Evaluator will know what it is to slice on."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.evaluator.slices import DERIVED
from foundation.errors import UserError
from ingestion.records import IMAGE_KEY
from pipeline.config.config import EvaluatorConfig


def check_slices(bounds: EvaluatorConfig, schema_file: Path) -> None:
    """Holds the names in `evaluator.slices` against the features that there are.

    Args:
        bounds: names the features.
        schema_file: the schema that the converter wrote. Records of other origin may have none,
            and what features they have is then not known yet.

    Raises:
        UserError: a name is neither a feature of the records nor derived from them, or the schema
            cannot be read.
    """
    if not bounds.slices or not schema_file.is_file():
        return
    try:
        schema = text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(
            f"The schema {schema_file} is damaged: {error}. Convert the pictures again."
        ) from None
    known = [*DERIVED, *(each.name for each in schema.feature if each.name != IMAGE_KEY)]
    if unknown := [name for name in bounds.slices if name not in known]:
        raise UserError(
            f"evaluator.slices: there is no feature {', '.join(unknown)} in the records. "
            f"There are {', '.join(known)}."
        )
