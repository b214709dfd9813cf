"""The model server's deployment fits the server, the pipeline and the certificates it is given."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from google.protobuf import text_format

from pipeline.config.load import load_config
from serving.model_server.config_pb2 import SSLConfig
from serving.model_server.models.core import read_model_config
from serving.model_server.options import parse_flags
from tests.kubernetes.manifests import ROOT, Manifest, manifests, one
from tests.serving.certificates import Authority

pytestmark = pytest.mark.slow

_OVERLAYS = ("laptop", "cpu-cluster", "gpu-cluster")


def _container(folder: str) -> Manifest:
    deployment = one(folder, "Deployment", "model-server")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


@pytest.mark.parametrize("overlay", _OVERLAYS)
def test_models_are_pushed_to_where_the_server_looks(overlay: str) -> None:
    """By way of one claim, which both mount at the same place."""
    folder = f"kubernetes/overlays/{overlay}"
    container = _container(folder)
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    options = parse_flags(container["args"], "deployment")
    named = (
        options.model_config_file,
        options.batching_parameters_file,
        options.monitoring_config_file,
    )
    files = {path: ROOT / "serving/config" / Path(path).name for path in named}
    assert all(str(Path(path).parent) in mounted and files[path].is_file() for path in files)

    local = options.model_copy(update={"model_config_file": str(files[options.model_config_file])})
    [model] = read_model_config(local).model_config_list.config
    config = load_config(ROOT / folder / "dogbreed.yaml")
    assert model.base_path == (config.kubeflow.push_destination or f"/models/{config.name}")
    claims = {
        manifest["metadata"]["name"]
        for manifest in manifests(folder)
        if manifest["kind"] == "PersistentVolumeClaim"
        and manifest["metadata"]["namespace"] == "kubeflow"
    }
    assert set(config.kubeflow.volumes) == claims
    assert config.kubeflow.volumes["dogbreed-models"].mount_path in mounted


@pytest.mark.parametrize("overlay", _OVERLAYS)
def test_steps_run_the_image_that_the_overlay_names(overlay: str) -> None:
    folder = f"kubernetes/overlays/{overlay}"
    tensorboard = one(folder, "Deployment", "tensorboard")
    [container] = tensorboard["spec"]["template"]["spec"]["containers"]
    assert load_config(ROOT / folder / "dogbreed.yaml").kubeflow.image == container["image"]


def test_a_certificate_becomes_a_file_that_the_server_reads(tmp_path: Path) -> None:
    """The init container's script, with its two folders here."""
    deployment = one("kubernetes/components/tls", "Deployment", "model-server")
    [script] = [
        container["args"][0]
        for container in deployment["spec"]["template"]["spec"]["initContainers"]
        if container["name"] == "write-ssl-config"
    ]
    secret, written = tmp_path / "secret", tmp_path / "written"
    secret.mkdir()
    written.mkdir()
    pair = Authority(tmp_path).pair("model-server")
    key, certificate = pair.key.read_text(), pair.certificate.read_text()
    (secret / "tls.key").write_text(key)
    (secret / "tls.crt").write_text(certificate.rstrip())  # some tools leave out the last line end
    script = script.replace("/secret", str(secret)).replace("/etc/model-server-tls", str(written))
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": os.environ["PATH"]})

    config = text_format.Parse((written / "ssl.config").read_text(), SSLConfig())
    assert (config.server_key.strip(), config.server_cert.strip()) == (
        key.strip(),
        certificate.strip(),
    )
    arguments = _container("kubernetes/components/tls")["args"]
    assert (
        parse_flags(arguments, "deployment").ssl_config_file == "/etc/model-server-tls/ssl.config"
    )
    ports = one("kubernetes/components/tls", "Service", "model-server")["spec"]["ports"]
    assert [port["name"] for port in ports] == ["grpc"]


def test_on_a_gpu_the_server_asks_for_one_and_bears_the_taint() -> None:
    folder = "kubernetes/components/gpu-serving"
    assert _container(folder)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert _container(folder)["image"].endswith("-gpu")
    pod = one(folder, "Deployment", "model-server")["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    for overlay in _OVERLAYS:
        assert "nvidia.com/gpu" not in str(manifests(f"kubernetes/overlays/{overlay}"))


def test_kserve_takes_the_place_of_the_deployment() -> None:
    folder = "kubernetes/base-with-kserve"
    kinds = {(m["kind"], m["metadata"]["name"]) for m in manifests(folder)}
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
        assert (kind, "model-server") not in kinds
    predictor = one(folder, "InferenceService", "dogbreed")["spec"]["predictor"]
    [configuration] = [v["configMap"]["name"] for v in predictor["volumes"] if "configMap" in v]
    assert ("ConfigMap", configuration) in kinds
    policy = one("kubernetes/components/network-policy", "NetworkPolicy", "model-server")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= predictor["labels"].items()
    parse_flags(predictor["model"]["args"], "inference service")
