"""Batches concurrent requests.

Terms and defaults are those of TensorFlow's shared batch scheduler
(`tensorflow/core/kernels/batching_util/shared_batch_scheduler.h`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server.config_pb2 import BatchingParameters
from serving.model_server.errors import ServingError, failed_precondition, invalid_argument
from serving.model_server.metrics import Metrics
from serving.model_server.models.servable import Call, Servable
from serving.model_server.options import default_threads


@dataclass(frozen=True)
class BatchingOptions:
    """Limits of batch size, waiting time and queue length."""

    max_batch_size: int = 1000
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=default_threads)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    @classmethod
    def from_proto(cls, proto: BatchingParameters) -> BatchingOptions:
        """Reads a message; raises `ServingError` if numbers are out of bounds or of order."""
        given: dict[str, int] = {
            name: getattr(proto, name).value
            for name in (
                "max_batch_size",
                "max_enqueued_batches",
                "num_batch_threads",
                "max_execution_batch_size",
            )
            if proto.HasField(name)
        }
        for name, value in given.items():
            if value < 1:
                raise invalid_argument(f"{name} must be positive; was {value}")
        timeout_us = proto.batch_timeout_micros.value
        if timeout_us < 0:
            raise invalid_argument(f"batch_timeout_micros must be non-negative; was {timeout_us}")
        options = cls(
            batch_timeout_s=timeout_us / 1e6,
            allowed_batch_sizes=tuple(proto.allowed_batch_sizes),
            pad_variable_length_inputs=proto.pad_variable_length_inputs,
            enable_large_batch_splitting=proto.enable_large_batch_splitting.value,
            **given,
        )
        allowed = options.allowed_batch_sizes
        if any(after <= before for before, after in pairwise(allowed)):
            raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")
        if allowed and allowed[-1] != options.largest_run:
            raise invalid_argument(
                "final entry in allowed_batch_sizes must equal max_batch_size when "
                "enable_large_batch_splitting is False, and max_execution_batch_size otherwise"
            )
        return options

    @property
    def largest_run(self) -> int:
        """Returns the most examples that a session is given at once."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size:
            return min(self.max_execution_batch_size, self.max_batch_size)
        return self.max_batch_size


@dataclass
class _Task:
    servable: Servable
    call: Call
    size: int
    since: float = field(default_factory=time.monotonic)
    done: Future[list[NDArray[Any]]] = field(default_factory=Future)


@dataclass
class _Batch:
    tasks: list[_Task] = field(default_factory=list)
    size: int = 0


class BatchScheduler:
    """Queues of batches, one per version and kind of call, and the threads that run them."""

    def __init__(self, options: BatchingOptions, metrics: Metrics) -> None:
        self._options = options
        self._metrics = metrics
        self._queues: dict[object, deque[_Batch]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(options.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, servable: Servable, call: Call) -> Future[list[NDArray[Any]]]:
        """Queues a call whose feeds share their first dimension, and returns its future.

        The version must stay loaded until the future is done. Cancelling it takes a waiting call
        out of its batch.

        Raises:
            ServingError: INVALID_ARGUMENT if the feeds make no batch or more than the largest one,
                UNAVAILABLE if the queue is full.
        """
        size = _batch_size(call)
        if size > self._options.max_batch_size and not self._options.enable_large_batch_splitting:
            raise invalid_argument(
                f"Task size {size} is larger than maximum input batch size "
                f"{self._options.max_batch_size}"
            )
        task = _Task(servable, call, size)
        with self._changed:
            queue = self._queues.setdefault((servable, call.key), deque())
            if not queue or queue[-1].size + size > self._options.max_batch_size:
                if len(queue) >= self._options.max_enqueued_batches:
                    raise ServingError(
                        grpc.StatusCode.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted is full; "
                        f"currently {len(queue)} batches enqueued and max_enqueued_batches is "
                        f"{self._options.max_enqueued_batches}",
                    )
                queue.append(_Batch())
            queue[-1].tasks.append(task)
            queue[-1].size += size
            self._changed.notify()
        self._metrics.enqueued(size)
        return task.done

    def close(self) -> None:
        """Runs the waiting calls, then ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._run(batch)

    def _next_batch(self) -> _Batch | None:
        with self._changed:
            while True:
                batch, wait_s = self._ripe_batch()
                if batch is not None:
                    # This thread may have been the one waiting for batches that are not due yet.
                    self._changed.notify()
                    return batch
                if self._closed:
                    return None
                self._changed.wait(wait_s)

    def _ripe_batch(self) -> tuple[_Batch | None, float | None]:
        """Takes the due batch that waited longest; else returns the seconds until one is due."""
        now = time.monotonic()
        ripe_key, ripe_since, wait_s = None, now, None
        for key, queue in self._queues.items():
            since = queue[0].tasks[0].since
            remaining = since + self._options.batch_timeout_s - now
            full = len(queue) > 1 or queue[0].size >= self._options.max_batch_size
            if full or remaining <= 0 or self._closed:
                if since <= ripe_since:
                    ripe_key, ripe_since = key, since
            else:
                wait_s = remaining if wait_s is None else min(wait_s, remaining)
        if ripe_key is None:
            return None, wait_s
        queue = self._queues[ripe_key]
        batch = queue.popleft()
        if not queue:
            del self._queues[ripe_key]
        return batch, None

    def _run(self, batch: _Batch) -> None:
        tasks = [task for task in batch.tasks if task.done.set_running_or_notify_cancel()]
        now = time.monotonic()
        for task in tasks:
            self._metrics.queued(task.servable.name, now - task.since)
        for group in _alike(tasks, pad=self._options.pad_variable_length_inputs):
            try:
                answers = self._run_together(group)
            except Exception as error:  # a caller waits for each of these futures
                if len(group) == 1:
                    group[0].done.set_exception(error)
                    continue
                # A bad image must not fail other callers: each task runs alone.
                for task in group:
                    self._run_alone(task)
                continue
            for task, answer in zip(group, answers, strict=True):
                task.done.set_result(answer)

    def _run_alone(self, task: _Task) -> None:
        try:
            task.done.set_result(self._run_together([task])[0])
        except Exception as error:  # a caller waits for this future
            task.done.set_exception(error)

    def _run_together(self, tasks: list[_Task]) -> list[list[NDArray[Any]]]:
        """Runs tasks of one kind, in pieces no larger than a session may be given."""
        servable, size = tasks[0].servable, sum(task.size for task in tasks)
        joined = [
            _join([task.call.feeds[place][1] for task in tasks])
            for place in range(len(tasks[0].call.feeds))
        ]
        pieces = []
        for start in range(0, max(size, 1), self._options.largest_run):
            arrays = [array[start : start + self._options.largest_run] for array in joined]
            pieces.append(self._run_padded(servable, tasks[0].call, arrays))
        answers = [
            np.concatenate(parts) if len(parts) > 1 else parts[0]
            for parts in zip(*pieces, strict=True)
        ]
        if len(tasks) == 1 and len(pieces) == 1:
            return [answers]
        if any(answer.ndim == 0 or len(answer) != size for answer in answers):
            raise failed_precondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors",
            )
        ends = np.cumsum([task.size for task in tasks])
        return [
            [answer[end - task.size : end] for answer in answers]
            for task, end in zip(tasks, ends, strict=True)
        ]

    def _run_padded(
        self, servable: Servable, call: Call, arrays: list[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Runs a batch, padded to an allowed size with copies of its first example."""
        size = len(arrays[0])
        padded = next(
            (allowed for allowed in self._options.allowed_batch_sizes if allowed >= size), size
        )
        if padded > size:
            arrays = [
                np.concatenate([array, np.repeat(array[:1], padded - size, axis=0)])
                for array in arrays
            ]
        self._metrics.batch(servable.name, size, padded)
        names = [name for name, _ in call.feeds]
        started = time.monotonic()
        answers = servable.run(Call(tuple(zip(names, arrays, strict=True)), call.fetches))
        self._metrics.session_run(servable.name, "Predict", time.monotonic() - started)
        return [answer[:size] for answer in answers] if padded > size else answers


def _batch_size(call: Call) -> int:
    if not call.feeds:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    if any(array.ndim == 0 for _, array in call.feeds):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {len(array) for _, array in call.feeds}
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def _alike(tasks: list[_Task], *, pad: bool) -> list[list[_Task]]:
    """Groups tasks whose arrays can be joined; with padding, only their ranks must agree."""
    groups: dict[object, list[_Task]] = {}
    for task in tasks:
        likeness = tuple(
            (array.dtype.str, array.ndim if pad else array.shape[1:])
            for _, array in task.call.feeds
        )
        groups.setdefault(likeness, []).append(task)
    return list(groups.values())


def _join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Joins along the first dimension; pads shorter arrays with their first element."""
    if len(arrays) == 1:
        return arrays[0]
    largest = np.max([array.shape for array in arrays], axis=0)[1:]
    return np.concatenate([_grow(array, largest) for array in arrays])


def _grow(array: NDArray[Any], shape: NDArray[Any]) -> NDArray[Any]:
    if array.size == 0 or array.shape[1:] == tuple(shape):
        return array
    widths = [(0, 0), *((0, int(extra)) for extra in shape - array.shape[1:])]
    return np.pad(array, widths, constant_values=array.flat[0])
