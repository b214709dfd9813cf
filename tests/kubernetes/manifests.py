"""Every kustomization of the tree, rendered as `kubectl apply -k` would."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
_FOLDERS = ("kubernetes", "serving/config")
_CLUSTER = Path("kubernetes/overlays/cpu-cluster")

Manifest = dict[str, Any]


def kustomizations() -> list[str]:
    """Returns the folders of all, components too, relative to the repository."""
    found = (path for folder in _FOLDERS for path in (ROOT / folder).rglob("kustomization.yaml"))
    return sorted(str(path.parent.relative_to(ROOT)) for path in found)


class Tree:
    """A copy of the tree, in which kustomizations can be tried that are not in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for part in _FOLDERS:
            shutil.copytree(ROOT / part, root / part)

    def render(self, resources: list[str], components: list[str]) -> list[Manifest] | str:
        """Returns what a kustomization of these folders comes to, or why it comes to nothing."""
        return self._render(
            self.root / "trial",
            {
                "resources": [f"../{folder}" for folder in resources],
                "components": [f"../{folder}" for folder in components],
            },
        )

    def render_overlay(self, overlay: str, content: Manifest) -> list[Manifest] | str:
        """Returns what an overlay comes to with another kustomization.yaml."""
        source = self.root / "kubernetes/overlays" / overlay
        changed = source.with_name(f"changed-{overlay}")
        shutil.copytree(source, changed)
        return self._render(changed, content)

    def _render(self, folder: Path, content: Manifest) -> list[Manifest] | str:
        folder.mkdir(exist_ok=True)
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
        result = _kustomize(folder)
        return result.stderr if result.returncode else list(yaml.safe_load_all(result.stdout))


@functools.cache
def rendered(folder: str) -> str:
    """Returns what a kustomization comes to, as YAML.

    A component, which is none by itself, is added to the overlay for clusters; one that this has
    already, or that only fits an overlay of its own, is rendered as part of the one that has it.
    """
    if _read(ROOT / folder)["kind"] != "Component":
        return _succeeded(_kustomize(ROOT / folder))
    if user := _overlay_with(folder):
        return _succeeded(_kustomize(user))
    with tempfile.TemporaryDirectory() as scratch:
        found = Tree(Path(scratch)).render([str(_CLUSTER)], [folder])
    assert not isinstance(found, str), found
    return yaml.safe_dump_all(found)


def manifests(folder: str) -> list[Manifest]:
    """Returns what a kustomization comes to, manifest by manifest."""
    return list(yaml.safe_load_all(rendered(folder)))


def one(folder: str, kind: str, name: str) -> Manifest:
    """Returns one manifest of a rendered kustomization."""
    [found] = [
        manifest
        for manifest in manifests(folder)
        if manifest["kind"] == kind and manifest["metadata"]["name"] == name
    ]
    return found


def pod_specs(folder: str) -> Iterator[tuple[str, Manifest]]:
    """Yields name and specification of every pod that a kustomization leads to."""
    for manifest in manifests(folder):
        if template := manifest.get("spec", {}).get("template"):
            yield manifest["metadata"]["name"], template["spec"]


def _read(folder: Path) -> Manifest:
    content: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return content


def _overlay_with(component: str) -> Path | None:
    for overlay in sorted((ROOT / "kubernetes/overlays").iterdir()):
        for path in _read(overlay).get("components", ()):
            if (overlay / path).resolve() == ROOT / component:
                return overlay
    return None


def _kustomize(folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which renders kustomizations, is not installed")
    return subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )


def _succeeded(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout
