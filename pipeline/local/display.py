"""Displays a run's progress: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline.local.observer import NodeStatus
from trainer.training.history import PROGRESS_LOGGER


def duration_in_words(elapsed_s: float) -> str:
    """Formats seconds as `8.3 s`, `4:05 min` or `1:02:09 h`."""
    if round(elapsed_s, 1) < 60:
        return f"{elapsed_s:.1f} s"
    minutes, seconds = divmod(round(elapsed_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"


_STYLES = {
    NodeStatus.RAN: "green",
    NodeStatus.REUSED: "cyan",
    NodeStatus.FAILED: "bold red",
    NodeStatus.WAITING: "dim",
}


_SPINNER = Spinner("dots")


class RunDisplay(logging.Handler):
    """Table of a run's nodes; also a logging handler for progress within a node.

    Use as a context manager around the run.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._status: dict[str, NodeStatus] = {}
        self._elapsed_s: dict[str, float] = {}
        self._detail: dict[str, str] = {}
        self._started_at: dict[str, float] = {}  # of running nodes, in order of start
        # Standard output and error go to the log by now; Rich must not redirect them.
        self._live = Live(
            get_renderable=self._renderable,
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> RunDisplay:
        logger = logging.getLogger(PROGRESS_LOGGER)
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logging.getLogger(PROGRESS_LOGGER).removeHandler(self)
        if self._console.is_terminal:
            self._live.stop()
            if exc is not None and self._status:  # the live table has left the screen
                self._console.print(self.table())

    @property
    def nodes(self) -> dict[str, NodeStatus]:
        """Status of each node, in order of execution."""
        return dict(self._status)

    def run_started(self, node_ids: list[str]) -> None:
        """Initialises the table."""
        self._status = dict.fromkeys(node_ids, NodeStatus.WAITING)

    def node_started(self, node_id: str) -> None:
        """Marks a node as running."""
        self._status[node_id] = NodeStatus.RUNNING
        self._started_at[node_id] = time.monotonic()

    def node_ended(self, node_id: str, status: NodeStatus, elapsed_s: float) -> None:
        """Marks how a node ended."""
        self._started_at.pop(node_id, None)
        self._status[node_id] = status
        self._elapsed_s[node_id] = elapsed_s
        if not self._console.is_terminal:
            self._console.print(f"{node_id}: {status.value} in {elapsed_s:.1f} s")

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a message beside the node that started last, assuming that progress is local."""
        message = record.getMessage()
        running = next(reversed(self._started_at), None)
        if running is not None:
            self._detail[running] = message
        if not self._console.is_terminal and getattr(record, "milestone", False):
            self._console.print(f"{running}: {message}")

    def table(self) -> Table:
        """Draws the nodes: name, status, seconds and last message."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Node", no_wrap=True)
        table.add_column("Status", no_wrap=True)
        table.add_column("Seconds", justify="right")
        table.add_column("")
        for node_id, status in self._status.items():
            table.add_row(
                node_id,
                _SPINNER
                if status == NodeStatus.RUNNING
                else Text(status.value, _STYLES.get(status, "")),
                self._seconds(node_id),
                Text(self._detail.get(node_id, ""), "dim"),
            )
        return table

    def _renderable(self) -> RenderableType:
        return self.table() if self._status else Spinner("dots", "Loading TensorFlow and TFX")

    def _seconds(self, node_id: str) -> str:
        if node_id in self._started_at:
            return f"{time.monotonic() - self._started_at[node_id]:.0f}"
        elapsed_s = self._elapsed_s.get(node_id)
        return "" if elapsed_s is None else f"{elapsed_s:.1f}"
