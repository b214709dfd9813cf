"""Entry point of every step's container, `python -m pipeline.kubeflow.step`.

It adapts Kubeflow's launcher to TFX's own entry point. Its last line says how the step ended.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from foundation.errors import UserError, root_cause
from foundation.exit_codes import ExitCode
from foundation.redact import log_to_standard_error, redacted
from pipeline.kubeflow.kfp_names import OUTPUTS_SPEC
from pipeline.kubeflow.step.step_lines import (
    MILESTONE_LINE,
    PROGRESS_LINE,
    done_line,
    failed_line,
)
from trainer.training.history import PROGRESS_LOGGER


def main(argv: Sequence[str]) -> int:
    """Runs a step with the arguments of a package and returns the exit code."""
    args, beam_args = _parser().parse_known_args(argv)
    _log_to_standard_error()
    signal.signal(signal.SIGTERM, _stop)
    started_at = time.monotonic()
    try:
        gc.disable()  # faster: importing TFX's 8,000 modules leaves no garbage
        from pipeline.kubeflow.step.run_step import run_step

        gc.freeze()
        gc.enable()
        run_step(args, beam_args)
    except UserError as error:
        code, reason = ExitCode.FAILED, " ".join(str(error).split())
    except MemoryError:
        code, reason = ExitCode.FAILED, "there is not enough memory"
    except Exception as error:
        logging.exception("%s failed", args.step)
        code, reason = ExitCode.CRASHED, root_cause(error)
    else:
        _write_last_line(done_line(args.step, time.monotonic() - started_at))
        return ExitCode.DONE
    _write_last_line(failed_line(args.step, redacted(reason)))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.kubeflow.step", allow_abbrev=False)
    parser.add_argument("--step", required=True, help="the node, as the DAG calls it")
    parser.add_argument("--executor_class_path", required=True, help="TFX's executor")
    for name in ("json_serialized_invocation_args", "json_serialized_inputs_spec_args"):
        parser.add_argument(
            f"--{name}", type=_message, required=True, help="as TFX's compiler says"
        )
    parser.add_argument(OUTPUTS_SPEC, type=_message, required=True, help="as TFX compiled it")
    return parser


def _message(text: str) -> dict[str, Any]:
    message = json.loads(text)
    if not isinstance(message, dict):
        raise argparse.ArgumentTypeError("a JSON object is expected")
    return message


class _ProgressHandler(logging.Handler):
    """Writes training progress as lines that a rehearsal recognises."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        begin = MILESTONE_LINE if getattr(record, "milestone", False) else PROGRESS_LINE
        print(f"{begin}{record.getMessage()}", file=sys.stderr, flush=True)


def _log_to_standard_error() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    log_to_standard_error()
    logging.getLogger("apache_beam.typehints").setLevel(logging.WARNING)  # a line for every type
    # Hides notes on missing optional features and warnings about this Python's age.
    logging.getLogger("absl").addFilter(lambda record: "not available" not in record.getMessage())
    warnings.filterwarnings("ignore", category=FutureWarning)
    progress = logging.getLogger(PROGRESS_LOGGER)
    progress.propagate = False
    progress.setLevel(logging.INFO)
    progress.addHandler(_ProgressHandler())


def _stop(signum: int, frame: object) -> NoReturn:
    """Exits at once when the pod is deleted: training has written its checkpoints."""
    print("dogbreed: stopped by a signal", file=sys.stderr, flush=True)
    os._exit(ExitCode.TERMINATED)


def _write_last_line(line: str) -> None:
    """Writes the last line, also as the pod's termination message if there is a file for it."""
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
    message = Path("/dev/termination-log")
    if message.is_file() and os.access(message, os.W_OK):
        message.write_text(line, encoding="utf-8")


if __name__ == "__main__":
    # Lingering threads of TensorFlow or gRPC must neither delay nor crash the step's end.
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
