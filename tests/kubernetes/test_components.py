"""Components combine in any order, or say in words that they do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import yaml

from tests.kubernetes.manifests import ROOT, Manifest, Tree, kustomizations

pytestmark = pytest.mark.slow

_KSERVE = "base-with-kserve"
_COMPONENTS = [
    folder.removeprefix("kubernetes/components/")
    for folder in kustomizations()
    if folder.startswith("kubernetes/components/")
]
_REFUSED = {
    frozenset({"own-server", "gpu-serving"}): "has no GPU libraries",
    frozenset({"own-server", "models-in-gcs"}): "watches folders, not buckets",
    frozenset({_KSERVE, "own-server"}): "whose runtime is TensorFlow Serving",
    frozenset({_KSERVE, "models-in-gcs"}): "set storageUri in its InferenceService",
    frozenset({_KSERVE, "tls"}): "whose gateway is where TLS ends",
}
"""What does not go together, and a part of what kustomize says of it."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("first", _COMPONENTS)
def test_two_components_come_to_the_same_in_either_order_or_are_refused_in_words(
    first: str, tree: Tree
) -> None:
    for second in _COMPONENTS[_COMPONENTS.index(first) + 1 :]:
        one_way, other_way = (
            _render(tree, "base", *order) for order in ((first, second), (second, first))
        )
        _check(one_way, first, second)
        _check(other_way, first, second)
        if not isinstance(one_way, str) and not isinstance(other_way, str):
            assert _sorted(one_way) == _sorted(other_way), second


@pytest.mark.parametrize("component", _COMPONENTS)
def test_a_component_works_with_kserve_or_is_refused_in_words(component: str, tree: Tree) -> None:
    _check(_render(tree, _KSERVE, component), _KSERVE, component)


def _render(tree: Tree, base: str, *components: str) -> list[Manifest] | str:
    return tree.render(
        [f"kubernetes/{base}"], [f"kubernetes/components/{name}" for name in components]
    )


def _check(outcome: list[Manifest] | str, *parts: str) -> None:
    """Checks what two parts of the tree come to together."""
    if words := _REFUSED.get(frozenset(parts)):
        assert isinstance(outcome, str), parts
        assert re.search(rf"component [a-z-]+ does not go with .*{words}", outcome), parts
    else:
        assert not isinstance(outcome, str), (parts, outcome)
        assert [*_wrong_in(outcome, parts)] == [], parts


@pytest.mark.parametrize("overlay", ["laptop", "cpu-cluster"])
def test_an_overlay_takes_kserve_in_the_place_of_its_base(overlay: str, tree: Tree) -> None:
    written = yaml.safe_load(
        (ROOT / f"kubernetes/overlays/{overlay}/kustomization.yaml").read_text()
    )
    rendered = tree.render_overlay(
        overlay,
        {
            **written,
            "resources": [
                name.replace("../../base", f"../../{_KSERVE}") for name in written["resources"]
            ],
        },
    )
    assert not isinstance(rendered, str), rendered
    assert [*_wrong_in(rendered, [_KSERVE])] == []
    [service] = [each for each in rendered if each["kind"] == "InferenceService"]
    assert service["spec"]["predictor"]["minReplicas"] == (1 if overlay == "laptop" else 2)
    assert not any(
        each["metadata"]["name"] == "model-server"
        for each in rendered
        if each["kind"] in ("Deployment", "Service", "HorizontalPodAutoscaler")
    )


def test_prometheus_namespace_is_a_parameter(tree: Tree) -> None:
    path = tree.root / "kubernetes/components/network-policy/parameters.env"
    default = path.read_text()
    path.write_text("prometheus_namespace=observability\n")
    try:
        rendered = tree.render(["kubernetes/base"], ["kubernetes/components/network-policy"])
    finally:
        path.write_text(default)
    [policy] = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    [labels] = [
        source["namespaceSelector"]["matchLabels"]
        for source in policy["spec"]["ingress"][1]["from"]
    ]
    assert labels == {"kubernetes.io/metadata.name": "observability"}


def _sorted(manifests: list[Manifest]) -> list[Manifest]:
    """Sorts what kustomize writes in the order in which it came: manifests, and a pod's parts.

    Init containers too: they run one after the other, but none of ours needs another.
    """
    for pod in _pods(manifests):
        for key in ("initContainers", "volumes"):
            pod.get(key, []).sort(key=lambda each: str(each["name"]))
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            container["volumeMounts"].sort(key=lambda each: str(each["mountPath"]))
    return sorted(manifests, key=str)


def _pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    for manifest in manifests:
        if template := manifest.get("spec", {}).get("template"):
            yield template["spec"]


def _wrong_in(manifests: list[Manifest], chosen: Iterable[str]) -> Iterator[str]:
    """Yields what keeps a pod from running, or a chosen component from its effect."""
    names = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    for pod in _pods(manifests):
        yield from _wrong_in_pod(pod, names)
    for name in chosen:
        if name in _EFFECTS and not _EFFECTS[name](manifests):
            yield f"{name} has no effect"


def _wrong_in_pod(pod: Manifest, names: set[tuple[str, str]]) -> Iterator[str]:
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    images = {container["image"] for container in containers}
    if len(images) != 1:
        yield f"images {images}"
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounted = {mount["name"] for each in containers for mount in each["volumeMounts"]}
    if volumes != mounted:
        yield f"volumes {volumes} are mounted as {mounted}"
    for volume in pod["volumes"]:
        if "configMap" in volume and ("ConfigMap", volume["configMap"]["name"]) not in names:
            yield f"no ConfigMap {volume['configMap']['name']}"
    for container in pod["containers"]:
        ports = {port["name"] for port in container.get("ports", ())}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind, {})
            asked = probe.get("httpGet", probe.get("tcpSocket", {})).get("port")
            if asked is not None and asked not in ports:
                yield f"{kind} asks port {asked}"
        folders = [mount["mountPath"] for mount in container["volumeMounts"]]
        for argument in container.get("args", ()):
            path = argument.partition("=")[2]
            if path.startswith("/") and not any(path.startswith(folder) for folder in folders):
                yield f"{argument} is in no volume"


def _server(manifests: list[Manifest]) -> dict[str, Any]:
    """Returns what runs the model server: the container, or KServe's description of it."""
    for each in manifests:
        if each["kind"] == "InferenceService":
            return dict(each["spec"]["predictor"]["model"])
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", "model-server"):
            return dict(each["spec"]["template"]["spec"]["containers"][0])
    raise AssertionError("no model server")


def _has_gpu(manifests: list[Manifest]) -> bool:
    server = _server(manifests)
    version = server.get("image", server.get("runtimeVersion"))
    return server["resources"]["limits"].get("nvidia.com/gpu") == "1" and version.endswith("-gpu")


def _is_encrypted(manifests: list[Manifest]) -> bool:
    [service] = [
        each
        for each in manifests
        if (each["kind"], each["metadata"]["name"]) == ("Service", "model-server")
    ]
    return "--ssl_config_file=/etc/model-server-tls/ssl.config" in _server(manifests)["args"] and [
        port["name"] for port in service["spec"]["ports"]
    ] == ["grpc"]


def _is_own(manifests: list[Manifest]) -> bool:
    server = _server(manifests)
    command = server["command"]
    is_reachable = "--host=0.0.0.0" in command  # it would listen on the pod's localhost only
    return server["image"].startswith("dogbreed:") and command[0] == "python" and is_reachable


def _reaches_a_bucket(manifests: list[Manifest]) -> bool:
    [files] = [
        each["data"]
        for each in manifests
        if each["kind"] == "ConfigMap"
        and each["metadata"]["name"].startswith("model-server-")
        and "models.config" in each["data"]
    ]
    egress = [
        rule
        for each in manifests
        if each["kind"] == "NetworkPolicy"
        if each["spec"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "model-server"}
        for rule in each["spec"].get("egress", ())
    ]
    return "gs://" in files["models.config"] and any(
        port["port"] == 443 for rule in egress for port in rule["ports"]
    )


def _names_the_secret(manifests: list[Manifest]) -> bool:
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    return all(each["imagePullSecrets"] == [{"name": "dogbreed-registry"}] for each in accounts)


_EFFECTS: dict[str, Callable[[list[Manifest]], bool]] = {
    "gpu-serving": _has_gpu,
    "tls": _is_encrypted,
    "own-server": _is_own,
    "models-in-gcs": _reaches_a_bucket,
    "pull-secret": _names_the_secret,
}
