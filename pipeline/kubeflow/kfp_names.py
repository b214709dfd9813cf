"""Names of tasks, components and executors in a package, as kfp's own compiler forms them."""

from __future__ import annotations

import re
from typing import Any

OUTPUTS_SPEC = "--outputs_spec"
"""Argument with the node's outputs and their TFX types: message ComponentOutputsSpec."""


def task_name(step: str) -> str:
    """Returns the name of a node's task: import-example-gen for `ImportExampleGen`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", step).lower()


def executor_label(step: str) -> str:
    """Returns the label of a node's executor."""
    return f"exec-{task_name(step)}"


def component_name(step: str) -> str:
    """Returns the name of a node's component."""
    return f"comp-{task_name(step)}"


def rename(spec: dict[str, Any]) -> None:
    """Renames tasks, components and executors of a PipelineSpec from their nodes' names.

    kfp's local engine cuts "comp-" off a component's name, whether it is there or not.
    """
    components, executors = spec["components"], spec["deploymentSpec"]["executors"]
    spec["deploymentSpec"]["executors"] = {
        executor_label(step): executors[component["executorLabel"]]
        for step, component in components.items()
    }
    spec["components"] = {
        component_name(step): {**component, "executorLabel": executor_label(step)}
        for step, component in components.items()
    }
    dag = spec["root"]["dag"]
    dag["tasks"] = {task_name(step): _renamed(step, task) for step, task in dag["tasks"].items()}


def _renamed(step: str, task: dict[str, Any]) -> dict[str, Any]:
    for kind in ("artifacts", "parameters"):
        for source in task.get("inputs", {}).get(kind, {}).values():
            for output in source.values():
                if isinstance(output, dict) and "producerTask" in output:
                    output["producerTask"] = task_name(output["producerTask"])
    renamed = {**task, "componentRef": {"name": component_name(step)}}
    if "dependentTasks" in task:
        renamed["dependentTasks"] = sorted(map(task_name, task["dependentTasks"]))
    return renamed
