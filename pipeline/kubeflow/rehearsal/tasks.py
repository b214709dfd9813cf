"""Lists the tasks of a package in topological order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from foundation.errors import UserError
from pipeline.config.nodes import NODES
from pipeline.kubeflow.package import Package

_DAG_ORDER = {name: place for place, name in enumerate(NODES)}


@dataclass(frozen=True)
class Task:
    """One task of a package, by its key, with the messages that describe it."""

    name: str
    spec: dict[str, Any]
    """PipelineTaskSpec."""
    component: dict[str, Any]
    """ComponentSpec."""
    executor: dict[str, Any]
    """ExecutorSpec."""
    kubernetes: dict[str, Any]
    """KubernetesExecutorConfig."""

    @property
    def node(self) -> str:
        """The node's name in the DAG."""
        return str(self.spec.get("taskInfo", {}).get("name", self.name))

    @property
    def inputs(self) -> dict[str, Any]:
        """Message TaskInputsSpec."""
        return dict(self.spec.get("inputs", {}))

    @property
    def container(self) -> dict[str, Any]:
        """Message PipelineContainerSpec; empty for an importer."""
        return dict(self.executor.get("container", {}))

    @property
    def output_artifacts(self) -> dict[str, Any]:
        """Declared output artifacts, by name."""
        return dict(self.component.get("outputDefinitions", {}).get("artifacts", {}))

    @property
    def output_parameters(self) -> list[str]:
        """Names of the declared output parameters."""
        return sorted(self.component.get("outputDefinitions", {}).get("parameters", {}))

    @property
    def retries(self) -> int:
        """Maximum number of retries."""
        return int(self.spec.get("retryPolicy", {}).get("maxRetryCount", 0))

    @property
    def time_limit_s(self) -> float | None:
        """Time limit in seconds, or None."""
        seconds = self.kubernetes.get("activeDeadlineSeconds")
        return None if seconds is None else float(seconds)

    @property
    def secrets(self) -> dict[str, tuple[str, str]]:
        """Secret name and key, by the environment variable that they set."""
        return {
            pair["envVar"]: (str(secret.get("secretName", "")), pair["secretKey"])
            for secret in self.kubernetes.get("secretAsEnv", ())
            for pair in secret["keyToEnv"]
        }


def tasks_in_order(package: Package) -> list[Task]:
    """Lists the tasks so that each comes after those it depends on.

    Raises:
        UserError: a component or task is missing, or dependencies form a cycle.
    """
    waiting = dict(package.pipeline["root"].get("dag", {}).get("tasks", {}))
    ordered: list[Task] = []
    done: set[str] = set()
    while waiting:
        ready = [name for name, spec in waiting.items() if _upstream(spec) <= done]
        if not ready:
            raise UserError(
                "These tasks wait for each other, or for a task that the package lacks: "
                f"{', '.join(sorted(waiting))}."
            )
        name = min(ready, key=lambda each: (_place(waiting[each]), each))
        ordered.append(_task(package, name, waiting.pop(name)))
        done.add(name)
    return ordered


def _place(spec: dict[str, Any]) -> int:
    return _DAG_ORDER.get(spec.get("taskInfo", {}).get("name", ""), -1)


def _upstream(spec: dict[str, Any]) -> set[str]:
    return {*spec.get("dependentTasks", ()), *_producers(spec)}


def _producers(spec: dict[str, Any]) -> Iterator[str]:
    for kind in ("artifacts", "parameters"):
        for source in spec.get("inputs", {}).get(kind, {}).values():
            for output in source.values():
                if isinstance(output, dict) and "producerTask" in output:
                    yield output["producerTask"]


def _task(package: Package, name: str, spec: dict[str, Any]) -> Task:
    reference = spec.get("componentRef", {}).get("name", "")
    component = package.pipeline.get("components", {}).get(reference)
    if component is None:
        raise UserError(f"Task {name} names the component '{reference}', which the package lacks.")
    label = component.get("executorLabel", "")
    executor = package.pipeline["deploymentSpec"].get("executors", {}).get(label)
    if executor is None or not {"container", "importer"} & set(executor):
        raise UserError(
            f"Task {name} is neither a container nor an importer: the backend would refuse it. "
            "'dogbreed compile --check' says more."
        )
    return Task(name, spec, component, executor, package.kubernetes(label))
