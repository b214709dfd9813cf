"""What `evaluator.slices` may name, found out before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.evaluator.slices import check_slices
from foundation.errors import UserError
from ingestion.schema import make_schema


def test_features_of_the_records_and_derived_ones_will_do(tmp_path: Path) -> None:
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(make_schema(("Pug", "Toller")), encoding="utf-8")

    check_slices(("shape", "image/format"), schema)
    with pytest.raises(UserError, match="no feature color, image/encoded in the records"):
        check_slices(("color", "shape", "image/encoded"), schema)


def test_damaged_schema_is_named_and_a_missing_one_is_left_to_those_who_need_it(
    tmp_path: Path,
) -> None:
    schema = tmp_path / "schema.pbtxt"
    schema.write_bytes(b"feature { name: \xff")

    with pytest.raises(UserError, match=r"schema\.pbtxt is damaged"):
        check_slices(("shape",), schema)
    check_slices(("shape",), tmp_path / "none.pbtxt")
