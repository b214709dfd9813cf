"""Converts batches of images on all cores, in order, with a bounded number in flight."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from ctypes import c_bool
from types import ModuleType, TracebackType
from typing import ParamSpec, TypeVar

from foundation.errors import DatasetError
from ingestion.workers.external_sort import SpillWriter
from ingestion.workers.work import (
    Job,
    Result,
    Task,
    convert_batch,
    load_libraries,
    run_batch,
    start_worker,
)

FEW_PICTURES = 64
"""Up to this number, starting a process takes longer than the work."""
_BATCH_PICTURES = 32
_BATCH_BYTES = 8 << 20
_BATCHES_AHEAD = 3  # per worker, to keep it busy while the parent reads or writes

_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")


class WorkerPool:
    """Context manager of the processes that convert images.

    Processes start on demand. With `num_workers` 1, this process does the work.
    """

    def __init__(self, job: Job, num_workers: int) -> None:
        self._job = job
        self._num_workers = num_workers
        context = multiprocessing.get_context(_start_method())
        # Without a lock, which a killed worker could leave locked.
        self._stop = context.RawValue(c_bool, False)
        self._executor = ProcessPoolExecutor(
            num_workers,
            mp_context=context,
            initializer=start_worker,
            initargs=(job, self._stop),
        )
        self._is_started = False

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the processes, each after its current image."""
        self._stop.value = True
        self._executor.shutdown(wait=True, cancel_futures=True)

    def start(self) -> None:
        """Starts the processes early, so that they load while the source is listed."""
        if self._num_workers > 1:
            self._is_started = True
            for _ in range(self._num_workers):
                self._submit(load_libraries)

    def convert(self, tasks: Iterable[Task], num_tasks: int) -> Iterator[Result]:
        """Converts images, in parallel where that is faster; yields a result per batch, in order.

        Tasks are consumed no faster than they are converted; `num_tasks` is their expected number.

        Raises:
            DatasetError: a worker process died or ran out of memory.
        """
        in_process = self._num_workers == 1 or (num_tasks <= FEW_PICTURES and not self._is_started)
        with _deaths_explained():
            if in_process:
                with closing(SpillWriter(self._job.spill_folder)) as writer:
                    for batch in _batches(tasks):
                        yield convert_batch(batch, self._job, writer)
                return
            pending: deque[Future[Result]] = deque()
            for batch in _batches(tasks):
                pending.append(self._submit(run_batch, batch))
                if len(pending) > self._num_workers * _BATCHES_AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _submit(
        self,
        work: Callable[_Parameters, _Returned],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> Future[_Returned]:
        """Submits work, which may start a process.

        That process ignores Ctrl-C from its first moment. It does not run the caller's main script
        again, as spawned processes do in case their work is defined there: that would double the
        time to start, and a script without `if __name__ == "__main__"` would start a conversion in
        each worker.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return self._executor.submit(work, *args, **kwargs)
        finally:
            sys.modules["__main__"] = main
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_method() -> str:
    """Returns "fork" in a process with a single thread, "spawn" elsewhere.

    A fork copies locks in whatever state other threads left them (TensorFlow's, or a progress
    display's). Without other threads it is safe, and saves each worker 0.2 s of imports.
    """
    try:
        num_threads = len(os.listdir("/proc/self/task"))
    except OSError:
        return "spawn"
    return "fork" if num_threads == 1 else "spawn"


def available_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def _deaths_explained() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise DatasetError(
            "A worker process was ended from outside, most likely because the machine ran out of "
            "memory: use fewer processes (--workers)."
        ) from error
    except MemoryError as error:
        raise DatasetError(
            "A picture did not fit into memory: use fewer processes (--workers)."
        ) from error


def _batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    batch: list[Task] = []
    num_bytes = 0
    for task in tasks:
        batch.append(task)
        num_bytes += len(task.content) if isinstance(task.content, bytes) else 0
        if len(batch) == _BATCH_PICTURES or num_bytes >= _BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch
