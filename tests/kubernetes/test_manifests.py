"""Each kustomization renders, fits Kubernetes' schemas, and keeps to Pod Security "restricted"."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from serving.model_server.metrics import Metrics
from tests.kubernetes.manifests import (
    ROOT,
    Manifest,
    kustomizations,
    manifests,
    pod_specs,
    rendered,
)

pytestmark = pytest.mark.slow

_KUBERNETES = "1.32.0"
_CUSTOM = {
    "InferenceService": "serving.kserve.io/v1beta1",
    "PodMonitor": "monitoring.coreos.com/v1",
}
"""Kinds of KServe and of the Prometheus operator, which Kubernetes has no schemas of."""

_PARTS = (
    "kubernetes/base",
    "kubernetes/components/own-server",  # rendered with the overlay for podman
    "kubernetes/overlays/podman",
    "serving/config",
)
"""Folders that are no whole: others bring the claims that their pods name."""

every_kustomization = pytest.mark.parametrize("folder", kustomizations())


@every_kustomization
def test_a_kustomization_fits_the_schemas_of_kubernetes(folder: str) -> None:
    found = manifests(folder)
    assert found
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate, which has the schemas, is not installed"
    )
    for manifest in found:
        if _CUSTOM.get(manifest["kind"]) != manifest["apiVersion"]:
            kubernetes_validate.validate(manifest, _KUBERNETES, strict=True)


@every_kustomization
def test_pods_keep_to_pod_security_restricted(folder: str) -> None:
    for name, pod in pod_specs(folder):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {key for key in pod if pod[key]}, name
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["seccompProfile"]["type"] == "RuntimeDefault", name
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        assert all(len(set(volume) - {"name"} - allowed) == 0 for volume in pod["volumes"]), name
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, (name, container["name"])
            assert own["capabilities"] == {"drop": ["ALL"]}, (name, container["name"])
            assert own["readOnlyRootFilesystem"] is True, (name, container["name"])


@pytest.mark.parametrize(
    "folder", [name for name in kustomizations() if not name.startswith(_PARTS)]
)
def test_whatever_a_manifest_names_is_there(folder: str) -> None:
    """Claims, accounts and configuration files, in the namespace of the pod that wants them."""
    found = manifests(folder)
    names = {(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in found}
    for manifest in found:
        pod = manifest.get("spec", {}).get("template", {}).get("spec")
        for kind, name in _named_by(pod) if pod else ():
            assert (kind, manifest["metadata"]["namespace"], name) in names


def _named_by(pod: Manifest) -> list[tuple[str, str]]:
    named = [("ServiceAccount", pod["serviceAccountName"])]
    for volume in pod["volumes"]:
        if "persistentVolumeClaim" in volume:
            named.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        if "configMap" in volume:
            named.append(("ConfigMap", volume["configMap"]["name"]))
    return named


def test_a_policy_scan_finds_nothing_that_is_not_justified(tmp_path: Path) -> None:
    checkov = shutil.which("checkov")
    if checkov is None:
        pytest.skip("checkov is not installed: uv tool install checkov")
    for folder in kustomizations():
        (tmp_path / f"{folder.replace('/', '-')}.yaml").write_text(rendered(folder))
    scan = subprocess.run(
        [checkov, "--framework", "kubernetes", "--skip-download", "--compact",
         "--output", "json", "--directory", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    results = json.loads(scan.stdout)["results"]
    failed = [(c["check_id"], c["check_name"], c["resource"]) for c in results["failed_checks"]]
    assert failed == []
    skipped = results["skipped_checks"]
    assert skipped
    assert all(len(check["check_result"]["suppress_comment"]) > 20 for check in skipped)


def test_the_dashboard_asks_for_metrics_that_the_model_server_has() -> None:
    dashboard = (ROOT / "kubernetes/components/grafana/model-server.json").read_text()
    known = set(re.findall(r"^# TYPE (\S+)", Metrics().page(), re.MULTILINE))
    asked = set(re.findall(r":tensorflow:[a-z_:]+", dashboard))
    assert len(asked) > 5
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked - known} <= known


def test_no_file_names_a_registry_that_pictures_could_be_sent_to_by_mistake() -> None:
    """Images are Docker Hub's short names, our own, or an example's to be replaced."""
    images = {
        line.split("image:")[1].strip()
        for folder in kustomizations()
        for line in rendered(folder).splitlines()
        if re.match(r"\s+(- )?image: ", line)
    }
    names = {image.rsplit(":", 1)[0] for image in images}
    assert names <= {
        "dogbreed",
        "localhost/dogbreed",
        "registry.example.com/dogbreed",
        "tensorflow/serving",
    }


def test_every_yaml_file_belongs_to_a_kustomization() -> None:
    """A manifest that no kustomization lists would be a file that is never applied."""
    used = set()
    for folder in kustomizations():
        text = (ROOT / folder / "kustomization.yaml").read_text()
        used |= {ROOT / folder / name for name in re.findall(r"[\w.-]+\.(?:yaml|json|env)", text)}
    configurations = set((ROOT / "kubernetes/overlays").glob("*/dogbreed.yaml"))
    for path in (ROOT / "kubernetes").rglob("*.yaml"):
        if path.name != "kustomization.yaml":
            assert path in used | configurations
            assert list(yaml.safe_load_all(path.read_text()))
