"""Redirects output of libraries to a log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner


@contextmanager
def output_to_log(log_path: Path) -> Iterator[TextIO]:
    """Appends everything written to standard output and error to a file.

    File descriptors are redirected, for TensorFlow's C++ code and Beam's child processes too.

    Yields:
        A stream that still writes to the real standard output.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    real_out, real_err = os.dup(1), os.dup(2)
    terminal = os.fdopen(os.dup(real_out), "w", buffering=1, encoding=sys.stdout.encoding)
    with open(log_path, "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        terminal.close()
        os.dup2(real_out, 1)
        os.dup2(real_err, 2)
        os.close(real_out)
        os.close(real_err)


@contextmanager
def silenced(what: str) -> Iterator[None]:
    """Drops what is written to standard output and error; a terminal shows what takes so long."""
    is_terminal = Console().is_terminal
    with output_to_log(Path(os.devnull)) as terminal, ExitStack() as stack:
        if is_terminal:
            console = Console(file=terminal, force_terminal=True)
            # Rich must not redirect what goes to the log.
            stack.enter_context(
                Live(
                    Spinner("dots", what),
                    console=console,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
            )
        yield
