"""Reads the class names from the schema."""

from __future__ import annotations

import os

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.utils import io_utils

from trainer.preprocessing.features import BREED_KEY


def breeds_of_schema(schema_path: str) -> list[str]:
    """Returns the class names of a schema in text form, in label order (sorted by name).

    Raises:
        ValueError: the schema has no domain for the class name.
    """
    schema = io_utils.parse_pbtxt_file(schema_path, schema_pb2.Schema())
    shared_domains = {domain.name: domain for domain in schema.string_domain}
    for feature in schema.feature:
        if feature.name == BREED_KEY:
            domain = shared_domains.get(feature.domain, feature.string_domain)
            if domain.value:
                return sorted(domain.value)
    raise ValueError(
        f"The schema {os.path.basename(schema_path)} lists no breeds: feature {BREED_KEY} needs a "
        "string domain."
    )
