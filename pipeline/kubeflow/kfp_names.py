"""What nodes are called in a package: as kfp's own compiler would call them."""

from __future__ import annotations

import re
from typing import Any

OUTPUTS_SPEC = "--outputs_spec"
"""Argument with the outputs of the node as TFX knows them: message ComponentOutputsSpec."""


def task_name(step: str) -> str:
    """Returns what a node is called in the package: `ImportExampleGen` is import-example-gen."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", step).lower()


def executor_label(step: str) -> str:
    """Returns what a node's executor is called in the package."""
    return f"exec-{task_name(step)}"


def component_name(step: str) -> str:
    """Returns what a node's component is called in the package."""
    return f"comp-{task_name(step)}"


def rename(spec: dict[str, Any]) -> None:
    """Gives tasks, components and executors of a pipeline spec such names.

    kfp's local engine cuts "comp-" off a component's name, whether it is there or not.

    Args:
        spec: message PipelineSpec, in which everything has the name of its node.
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
    """Renames what a task names."""
    for kind in ("artifacts", "parameters"):
        for source in task.get("inputs", {}).get(kind, {}).values():
            for output in source.values():
                if isinstance(output, dict) and "producerTask" in output:
                    output["producerTask"] = task_name(output["producerTask"])
    renamed = {**task, "componentRef": {"name": component_name(step)}}
    if "dependentTasks" in task:
        renamed["dependentTasks"] = sorted(map(task_name, task["dependentTasks"]))
    return renamed
