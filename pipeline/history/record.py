"""Records runs and their results in ML Metadata, for `dogbreed history`."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from foundation.errors import RunFailedError, UserError, root_cause
from foundation.redact import redacted
from ingestion.catalogue import printable
from ingestion.dataset import Dataset
from pipeline.config.config import Config
from pipeline.config.serialise import recorded_settings
from pipeline.history import record_names as names
from pipeline.history.record_names import State

if TYPE_CHECKING:
    from pipeline.history.outcome import Outcome


class RunRecord:
    """A run's record: custom properties of TFX's context of the run.

    A killed run's record has a start and no end.
    """

    def __init__(
        self, config: Config, dataset: Dataset, commit: str, started_at: datetime.datetime
    ) -> None:
        self._started_at = started_at
        self._connection = metadata_store_pb2.ConnectionConfig()
        self._connection.sqlite.filename_uri = str(config.root_path / names.METADATA_FILE)
        self._begun = False
        self._ended = False
        self._beginning: dict[str, Any] = {
            names.STARTED_AT: started_at.isoformat(),
            names.CONFIGURATION: recorded_settings(config),
            names.COMMAND_LINE: printable(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
            names.GIT_COMMIT: commit,
            names.DATA_SOURCE: printable(config.data.source or "the built-in sample"),
            names.DATA_FINGERPRINT: dataset.fingerprint,
            names.DATA_SPLITS: json.dumps(
                {name: split.num_examples for name, split in dataset.splits.items()}
            ),
            names.NUM_BREEDS: len(dataset.labels),
        }

    @property
    def run_name(self) -> str:
        """TFX's name of the run: its start, local time."""
        return self._started_at.astimezone().replace(tzinfo=None).isoformat()

    def begin(self, store: metadata_store.MetadataStore) -> None:
        """Records the start; TFX must have made the run's context."""
        self._note(store, self._beginning)
        self._begun = True

    def end(self, state: State, **properties: Any) -> None:
        """Records the end, once, with properties by their names in `names` and metrics by theirs.

        None is left out. Errors of the store, such as a full disk, are logged.
        """
        if not self._begun or self._ended:
            return
        self._ended = True
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        noted = {names.ENDED_AT: now, names.OUTCOME: state.value, **properties}
        try:
            self._note(metadata_store.MetadataStore(self._connection), noted)
        except (errors.StatusError, RuntimeError):
            logging.exception("The end of the run could not be recorded")

    def end_with(self, outcome: Outcome) -> None:
        """Records the verdict as the run's end."""
        state = State.BLESSED if outcome.blessed else State.REFUSED
        self.end(
            State.PUSHED if outcome.pushed_path else state,
            **{
                names.REASONS: json.dumps(outcome.missed_bounds),
                names.NUM_EVAL_EXAMPLES: outcome.num_eval_examples,
                **outcome.figures,
            },
        )

    def _note(self, store: metadata_store.MetadataStore, properties: dict[str, Any]) -> None:
        context = store.get_context_by_type_and_name(names.RUN_CONTEXT, self.run_name)
        for name, value in properties.items():
            if value is not None:
                _set(context.custom_properties[name], value)
        store.put_contexts([context])


@contextlib.contextmanager
def end_recorded(record: RunRecord) -> Iterator[None]:
    """Records how the run ended if an exception leaves the block."""
    try:
        yield
    except RunFailedError as error:
        reasons = json.dumps([error.reason])
        record.end(State.FAILED, **{names.FAILED_NODE: error.node_id, names.REASONS: reasons})
        raise
    except UserError as error:
        record.end(State.FAILED, **{names.REASONS: json.dumps([str(error)])})
        raise
    except (KeyboardInterrupt, SystemExit):
        record.end(State.INTERRUPTED)
        raise
    except BaseException as error:
        record.end(State.FAILED, **{names.REASONS: json.dumps([root_cause(error)])})
        raise


def _set(value: metadata_store_pb2.Value, content: str | int | float) -> None:
    if isinstance(content, str):
        value.string_value = redacted(content)
    elif isinstance(content, int):
        value.int_value = content
    else:
        value.double_value = content
