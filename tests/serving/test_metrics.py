from __future__ import annotations

import re
import threading

import grpc
from prometheus_client.parser import text_string_to_metric_families

from serving.model_server.metrics import Metrics


def test_request_counts_and_latencies_print_as_tensorflow_serving_prints_them() -> None:
    metrics = Metrics()
    metrics.request_finished("dogs", "Predict", "GRPC", grpc.StatusCode.OK, 18e-6)
    metrics.request_finished("dogs", "Predict", "GRPC", grpc.StatusCode.OK, 1.234567)
    metrics.request_finished('do"gs\\', "predict", "REST", grpc.StatusCode.NOT_FOUND, 1)

    lines = metrics.page().splitlines()

    name = ":tensorflow:serving:request_count"
    start = lines.index(f"# TYPE {name} counter")
    assert lines[start + 1 : start + 3] == [
        rf'{name}{{model_name="do\"gs\\",status="NOT_FOUND"}} 1',
        f'{name}{{model_name="dogs",status="OK"}} 2',
    ]
    name = ":tensorflow:serving:request_latency"
    labels = 'model_name="dogs",API="Predict",entrypoint="GRPC"'
    start = lines.index(f"# TYPE {name} histogram")
    # A value on a bound is not below it.
    assert lines[start + 1 : start + 5] == [
        f'{name}_bucket{{{labels},le="10"}} 0',
        f'{name}_bucket{{{labels},le="18"}} 0',
        f'{name}_bucket{{{labels},le="32.4"}} 1',
        f'{name}_bucket{{{labels},le="58.32"}} 1',
    ]
    assert lines[start + 33 : start + 37] == [
        f'{name}_bucket{{{labels},le="1.47476e+09"}} 2',
        f'{name}_bucket{{{labels},le="+Inf"}} 2',
        f"{name}_sum{{{labels}}} 1.23458e+06",
        f"{name}_count{{{labels}}} 2",
    ]


def test_runs_batches_and_loads_are_counted() -> None:
    metrics = Metrics()
    metrics.session_run("dogs", "Predict", 0.002)
    metrics.enqueued(3)
    metrics.queued("dogs", 0.001)
    metrics.batch("dogs", 3, 4)
    metrics.examples("dogs", 2)
    metrics.loaded("/models/dogs/1", 1.5, True)
    metrics.loaded("/models/dogs/2", 0.1, False)
    metrics.warmed_up("/models/dogs/1", 0.2, True)

    page = metrics.page()

    loading, serving = ":tensorflow:cc:saved_model:", ":tensorflow:serving:"
    for line in (
        ":tensorflow:core:graph_runs{} 1",
        ":tensorflow:core:graph_run_time_usecs{} 2000",
        ':tensorflow:core:graph_run_time_usecs_histogram_bucket{le="1000"} 0',
        ":tensorflow:core:graph_run_time_usecs_histogram_sum{} 2000",
        serving + "batching_session:wrapped_run_count{} 1",
        serving + "batching_session:input_batch_size_sum{} 3",
        serving + "batching_session:processed_batch_size_sum{} 4",
        serving + 'batching_session:padding_size_sum{execution_batch_size="4"} 1',
        serving + 'batching_session:queuing_latency_sum{thread_pool_name="dogs"} 1000',
        serving + 'request_example_count_total{model="dogs"} 2',
        loading + 'load_attempt_count{model_path="/models/dogs/1",status="success"} 1',
        loading + 'load_attempt_count{model_path="/models/dogs/2",status="fail"} 1',
        loading + 'load_latency{model_path="/models/dogs/1"} 1500000',
        serving + 'model_warmup_latency_sum{model_path="/models/dogs/1",status="OK"} 200000',
        serving + 'runtime_latency_count{model_name="dogs",API="Predict",runtime="TF1"} 1',
    ):
        assert f"\n{line}\n" in page, line


def test_a_prometheus_parser_reads_the_page() -> None:
    metrics = Metrics()
    metrics.request_finished("a\nb", "Predict", "GRPC", grpc.StatusCode.OK, 0.01)
    metrics.session_run("dogs", "Predict", 0.002)

    families = {family.name: family for family in text_string_to_metric_families(metrics.page())}

    latency = families[":tensorflow:serving:request_latency"]
    assert latency.type == "histogram"
    assert {sample.labels["model_name"] for sample in latency.samples} == {"a\nb"}
    assert len(families) == len(re.findall("^# TYPE", metrics.page(), re.MULTILINE))


def test_names_that_callers_make_up_do_not_fill_the_memory() -> None:
    metrics = Metrics()
    for number in range(3000):
        metrics.request_finished(f"m{number}", "", "REST", grpc.StatusCode.NOT_FOUND, 0)
    metrics.request_finished("x" * 10_000, "", "REST", grpc.StatusCode.NOT_FOUND, 0)
    metrics.request_finished("dogs", "Predict", "GRPC", grpc.StatusCode.OK, 0)

    page = metrics.page()

    assert page.count(":tensorflow:serving:request_count{") == 1001
    assert ':tensorflow:serving:request_count{model_name="dogs",status="OK"} 1' in page


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(5000):
            metrics.request_finished("dogs", "Predict", "GRPC", grpc.StatusCode.OK, 0)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 'request_count{model_name="dogs",status="OK"} 20000' in metrics.page()
