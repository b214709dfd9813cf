"""CuratedSchema: imports a schema that people or the converter wrote.

TFX's ImportSchemaGen is cached by the file's name and misses edits; here the fingerprint of the
content is a parameter of the node.
"""

import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from ingestion.dataset import SCHEMA_FILE


@component
def CuratedSchema(  # noqa: N802 - a component is named as a class
    schema: OutputArtifact[standard_artifacts.Schema],
    schema_file: Parameter[str],
    fingerprint: Parameter[str],
    code: Parameter[str],
) -> None:
    """Copies `schema_file`, a `tensorflow_metadata` Schema in text form, into the artifact.

    `fingerprint` is a hash of the file's content, `code` the fingerprint of this module.
    """
    target = Path(schema.uri)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(schema_file, target / SCHEMA_FILE)
