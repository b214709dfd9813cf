"""Reads and writes packages: compiled pipelines, as two YAML documents in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from foundation.errors import UserError

SCHEMA_VERSION = "2.1.0"
"""The only pipeline schema that the open-source backend accepts."""


@dataclass(frozen=True)
class Package:
    """A compiled pipeline: messages PipelineSpec and PlatformSpec in JSON form."""

    pipeline: dict[str, Any]
    platform: dict[str, Any]
    """Kubernetes settings; empty if there are none."""

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.pipeline.get("pipelineInfo", {}).get("name", ""))

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """The pipeline's parameters, by name: type, default and description."""
        inputs = self.pipeline.get("root", {}).get("inputDefinitions", {})
        return dict(inputs.get("parameters", {}))

    def kubernetes(self, executor_label: str) -> dict[str, Any]:
        """Returns the KubernetesExecutorConfig of an executor; empty if it has none."""
        platform = self.platform.get("platforms", {}).get("kubernetes", {})
        return dict(platform.get("deploymentSpec", {}).get("executors", {}).get(executor_label, {}))


def write_package(package: Package, path: Path) -> None:
    """Writes a package deterministically: equal packages give equal bytes.

    Raises:
        UserError: the file cannot be written.
    """
    documents = [package.pipeline, *([package.platform] if package.platform else [])]
    text = yaml.safe_dump_all(documents, sort_keys=True, width=100, allow_unicode=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_heading(package) + text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None


def load_package(path: Path) -> Package:
    """Reads a compiled pipeline, whichever compiler wrote it.

    Raises:
        UserError: the file is missing, unreadable or no compiled pipeline.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"There is no {path}. 'dogbreed compile -o {path}' makes it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    if not documents or not all(isinstance(each, dict) for each in documents):
        raise UserError(f"{path} is no compiled pipeline: a YAML mapping is expected.")
    pipeline, *others = documents
    if "pipelineSpec" in pipeline:  # a PipelineJob, which TFX writes as JSON
        pipeline = pipeline["pipelineSpec"]
    if not all(isinstance(pipeline.get(part), dict) for part in ("root", "deploymentSpec")):
        raise UserError(f"{path} is no compiled pipeline: it has no root or no deploymentSpec.")
    return Package(pipeline, others[0] if others else {})


def _heading(package: Package) -> str:
    lines = [
        f"# {package.name}: compiled by 'dogbreed compile' for Kubeflow Pipelines.",
        "# Inputs:",
    ]
    for name, spec in sorted(package.parameters.items()):
        lines.append(
            f"#   {name}: {spec.get('description', '')} [Default: {spec['defaultValue']!r}]"
        )
    return "\n".join(lines) + "\n"
