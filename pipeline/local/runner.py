"""Runs the DAG on this machine and notifies an observer of each node."""

from __future__ import annotations

import shutil
import textwrap
import time
from pathlib import Path
from typing import Any

from ml_metadata.errors import StatusError
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import pipeline_pb2

from foundation.errors import UserError
from pipeline.history.outcome import Outputs
from pipeline.history.record import RunRecord
from pipeline.local.check_metadata import repair_rows
from pipeline.local.observer import NodeFailedError, NodeStatus, RunObserver

_State = metadata_store_pb2.Execution
_LONGEST_REASON = 200  # characters: the store adds its whole SQL


class ObservedDagRunner(LocalDagRunner):
    """TFX's LocalDagRunner with an observer and a record in ML Metadata."""

    def __init__(self, observer: RunObserver, pipeline_root: Path, record: RunRecord) -> None:
        super().__init__()
        self._observer = observer
        self._record = record
        self._pipeline_root = pipeline_root
        self.outputs: dict[str, Outputs] = {}
        """Output artifacts of every successful node, new or cached."""

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None, **kwargs: Any
    ) -> None:
        """Runs every node in topological order.

        Raises:
            NodeFailedError: a node failed; later ones did not run.
            UserError: the metadata store cannot be used, for example on a full disk.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline,
            {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._record.run_name},
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        kind = deployment.metadata_connection_config.WhichOneof("connection_config")
        connection = getattr(deployment.metadata_connection_config, kind)
        try:
            with metadata.Metadata(connection) as handle:
                repair_rows(Path(connection.sqlite.filename_uri), self._pipeline_root)
                _abandon_unfinished(handle, self._pipeline_root)
                context_lib.prepare_contexts(handle, pipeline.nodes[0].pipeline_node.contexts)
                self._record.begin(handle.store)
        except (RuntimeError, StatusError) as error:  # it cannot be opened or written
            reason = " ".join(str(error).split())
            raise UserError(
                f"The run's metadata below {self._pipeline_root.parent} cannot be used: "
                f"{textwrap.shorten(reason, _LONGEST_REASON)}"
            ) from error

        self._observer.run_started([node.pipeline_node.node_info.id for node in pipeline.nodes])
        for node in pipeline.nodes:
            node_id = node.pipeline_node.node_info.id
            self._observer.node_started(node_id)
            started_at = time.monotonic()
            status = NodeStatus.FAILED
            try:
                status = self._launch(pipeline, node.pipeline_node, deployment, connection)
            except Exception as error:
                raise NodeFailedError(node_id) from error
            finally:
                self._observer.node_ended(node_id, status, time.monotonic() - started_at)

    def _launch(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        deployment: Any,
        connection: Any,
    ) -> NodeStatus:
        node_id = node.node_info.id
        execution = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        ).launch()
        if execution is None:
            raise RuntimeError("TFX did not run it")
        with metadata.Metadata(connection) as handle:
            [record] = handle.store.get_executions_by_id([execution.execution_id])
            self.outputs[node_id] = execution_lib.get_output_artifacts(handle, record.id)
        # The launcher swallows unresolvable inputs: it records a failure and returns.
        if record.last_known_state not in (_State.COMPLETE, _State.CACHED):
            raise RuntimeError(f"TFX recorded it as {_State.State.Name(record.last_known_state)}")
        missing = [key for key in node.outputs.outputs if not self.outputs[node_id].get(key)]
        if missing:
            raise UserError(
                f"ML Metadata has no output {missing[0]!r} of it, as after a full disk. Make room, "
                "then run the same command again."
            )
        return NodeStatus.REUSED if record.last_known_state == _State.CACHED else NodeStatus.RAN


def _abandon_unfinished(handle: metadata.Metadata, pipeline_root: Path) -> None:
    """Cancels unfinished executions of a killed run and removes their partial outputs.

    Only one run at a time works below a root, so no execution can be running.
    """
    unfinished = [
        execution
        for execution in handle.store.get_executions()
        if execution.last_known_state in (_State.NEW, _State.RUNNING)
    ]
    for execution in unfinished:
        for folder in pipeline_root.glob(f"*/*/{execution.id}"):  # NODE/OUTPUT/EXECUTION
            shutil.rmtree(folder)
        execution.last_known_state = _State.CANCELED
    if unfinished:
        handle.store.put_executions(unfinished)
