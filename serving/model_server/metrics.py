"""Metrics in the format of TensorFlow Serving's Prometheus exporter.

Dashboards for TensorFlow Serving rely on these names, labels and bounds. `prometheus_client`
differs: counters end in `_total` and have a creation time, bounds read `10.0`, and a value on a
bound counts as below it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import grpc

_MAX_REFUSED_SERIES = 1000
_MAX_REFUSED_NAME = 256
"""Limits of series and name length for failed calls, whose model names callers choose."""

_Labels: TypeAlias = "tuple[str, ...]"


@dataclass
class _Counter:
    name: str
    label_names: _Labels
    values: dict[_Labels, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, labels: _Labels, amount: int = 1) -> None:
        with self.lock:
            self.values[labels] = self.values.get(labels, 0) + amount

    def lines(self) -> list[str]:
        with self.lock:
            values = sorted(self.values.items())
        return [
            f"# TYPE {self.name} counter",
            *(f"{self.name}{{{_join(self.label_names, key)}}} {value}" for key, value in values),
        ]


@dataclass
class _Series:
    counts: list[int]
    total: float = 0.0


class _Histogram:
    def __init__(
        self, name: str, label_names: _Labels, scale: float, growth: float, count: int
    ) -> None:
        self.name = name
        self._label_names = label_names
        self._bounds = [scale]
        while len(self._bounds) < count:
            self._bounds.append(self._bounds[-1] * growth)
        self._series: dict[_Labels, _Series] = {}
        self._lock = threading.Lock()

    def add(self, labels: _Labels, value: float) -> None:
        place = bisect_right(self._bounds, value)
        with self._lock:
            series = self._series.get(labels)
            if series is None:
                series = self._series[labels] = _Series([0] * (len(self._bounds) + 1))
            series.counts[place] += 1
            series.total += value

    def lines(self) -> list[str]:
        with self._lock:
            found = sorted(
                (key, list(series.counts), series.total) for key, series in self._series.items()
            )
        lines = [f"# TYPE {self.name} histogram"]
        limits = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        for key, counts, total in found:
            labels = _join(self._label_names, key)
            count = 0
            for limit, below in zip(limits, counts, strict=True):
                count += below
                separator = "," if labels else ""
                lines.append(f'{self.name}_bucket{{{labels}{separator}le="{limit}"}} {count}')
            lines.append(f"{self.name}_sum{{{labels}}} {total:g}")
            lines.append(f"{self.name}_count{{{labels}}} {count}")
        return lines


def _join(names: _Labels, values: _Labels) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join(f'{name}="{_escape(value)}"' for name, value in pairs)


def _escape(value: str) -> str:
    # TensorFlow Serving does not escape newlines, which breaks the page for every reader.
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _latency(name: str, *label_names: str) -> _Histogram:
    """Makes a histogram of microseconds, from ten to about twenty minutes."""
    return _Histogram(name, label_names, 10, 1.8, 33)


def _sizes(name: str, *label_names: str) -> _Histogram:
    return _Histogram(name, label_names, 1, 2, 14)


class Metrics:
    """Counts what the server does; thread-safe, and takes a few microseconds a call."""

    def __init__(self) -> None:
        serving = ":tensorflow:serving:"
        batching = f"{serving}batching_session:"
        loading = ":tensorflow:cc:saved_model:"
        core = ":tensorflow:core:"
        self._request_count = _Counter(f"{serving}request_count", ("model_name", "status"))
        self._request_latency = _latency(
            f"{serving}request_latency", "model_name", "API", "entrypoint"
        )
        self._runtime_latency = _latency(
            f"{serving}runtime_latency", "model_name", "API", "runtime"
        )
        self._example_count = _Counter(f"{serving}request_example_count_total", ("model",))
        self._example_counts = _Histogram(f"{serving}request_example_counts", ("model",), 1, 2, 15)
        self._warmup_latency = _latency(f"{serving}model_warmup_latency", "model_path", "status")
        self._queuing_latency = _Histogram(
            f"{batching}queuing_latency", ("thread_pool_name",), 100, 1.2, 52
        )
        self._input_size = _sizes(f"{batching}input_batch_size")
        self._processed_size = _sizes(f"{batching}processed_batch_size")
        self._padding_size = _sizes(f"{batching}padding_size", "execution_batch_size")
        self._wrapped_runs = _Counter(f"{batching}wrapped_run_count", ())
        self._load_attempts = _Counter(f"{loading}load_attempt_count", ("model_path", "status"))
        self._load_latency = _Counter(f"{loading}load_latency", ("model_path",))
        self._graph_runs = _Counter(f"{core}graph_runs", ())
        self._graph_run_time = _Counter(f"{core}graph_run_time_usecs", ())
        self._graph_run_times = _Histogram(f"{core}graph_run_time_usecs_histogram", (), 1000, 2, 20)

    def request_finished(
        self,
        model_name: str,
        method: str,
        entrypoint: Literal["GRPC", "REST"],
        code: grpc.StatusCode,
        seconds: float,
    ) -> None:
        """Counts a request and, if it succeeded, its latency.

        `method` is `Predict` over gRPC, `predict` over REST, and so on.
        """
        labels = (model_name, code.name)
        if code is grpc.StatusCode.OK:
            self._request_latency.add((model_name, method, entrypoint), round(seconds * 1e6))
        elif labels not in self._request_count.values and (
            len(self._request_count.values) >= _MAX_REFUSED_SERIES
            or len(model_name) > _MAX_REFUSED_NAME
        ):
            return
        self._request_count.add(labels)

    def session_run(self, model_name: str, method: str, seconds: float) -> None:
        """Counts a graph run of `Predict`, `Classify` or `Regress`."""
        microseconds = round(seconds * 1e6)
        self._runtime_latency.add((model_name, method, "TF1"), microseconds)
        self._graph_runs.add(())
        self._graph_run_time.add((), microseconds)
        self._graph_run_times.add((), microseconds)

    def examples(self, model_name: str, count: int) -> None:
        """Counts the examples of a Classify, Regress or MultiInference request."""
        self._example_counts.add((model_name,), count)
        self._example_count.add((model_name,), count)

    def enqueued(self, size: int) -> None:
        """Counts a request of `size` examples that is queued for a batch."""
        self._input_size.add((), size)

    def queued(self, model_name: str, seconds: float) -> None:
        """Records a wait for a batch, by model (TensorFlow Serving: by the model's thread pool)."""
        self._queuing_latency.add((model_name,), round(seconds * 1e6))

    def batch(self, model_name: str, size: int, padded_size: int) -> None:
        """Counts a batch of `size` examples, run with padding to `padded_size`."""
        self._processed_size.add((), padded_size)
        self._padding_size.add((str(padded_size),), padded_size - size)
        self._wrapped_runs.add(())

    def loaded(self, model_path: str, seconds: float, ok: bool) -> None:
        """Counts an attempt to load a version."""
        self._load_attempts.add((model_path, "success" if ok else "fail"))
        if ok:
            self._load_latency.add((model_path,), round(seconds * 1e6))

    def warmed_up(self, model_path: str, seconds: float, ok: bool) -> None:
        """Counts a replay of a version's warm-up requests."""
        status = "OK" if ok else "FAILED"
        self._warmup_latency.add((model_path, status), round(seconds * 1e6))

    def page(self) -> str:
        """Returns all metrics in Prometheus' text format."""
        found = (item for item in vars(self).values() if isinstance(item, (_Counter, _Histogram)))
        return "".join(
            f"{line}\n"
            for item in sorted(found, key=lambda item: item.name)
            for line in item.lines()
        )
