"""Canary: serves the candidate with a real model server and blesses it if it answers correctly.

Replaces TFX's InfraValidator, which needs Docker or Kubernetes and only sends given requests. This
component starts a model server within the step, compares its answers with the model's own, sends
invalid inputs, and checks a bound on latency. It gives the same InfraBlessing.
"""

import itertools
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tfx.components.util import model_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.canary.checks import (
    Answer,
    check_answers,
    check_hostile,
    latencies_ms,
    own_answers,
)
from components.canary.server import (
    ChildServer,
    ServerFailedError,
    TooSlowError,
    child_server,
    log_tail,
)
from foundation.errors import UserError
from foundation.names import CANARY_LOG_FILE, CANARY_RESULT_FILE
from foundation.versions import read_about
from trainer.preprocessing.features import IMAGE_KEY

_BLESSED_FILE, _REFUSED_FILE = "INFRA_BLESSED", "INFRA_NOT_BLESSED"  # as InfraValidator does
_PERCENTILE = 99
_TRIES = 2  # of a server that is too slow: a busy machine may have become idle


class NotJudgedError(UserError):
    """The model server was too slow to be asked, so the model is neither blessed nor refused."""


@component
def Canary(  # noqa: N802 - a component is named as a class
    examples: InputArtifact[standard_artifacts.Examples],
    model: InputArtifact[standard_artifacts.Model],
    model_blessing: InputArtifact[standard_artifacts.ModelBlessing],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    num_examples: Parameter[int],
    max_latency_ms: Parameter[float],
    start_timeout_s: Parameter[float],
    call_timeout_s: Parameter[float],
    code: Parameter[str],
    attempt: Parameter[int],
) -> None:
    """Blesses a model that a model server loads, answers with correctly and serves fast enough.

    Args:
        examples: ExampleGen's; images are taken from the eval split.
        model: the candidate.
        model_blessing: the Evaluator's. Without it the model is neither tried nor blessed.
        blessing: receives the verdict, the results, and the end of the server's log.
        num_examples: eval images to send.
        max_latency_ms: bound on the 99th percentile of the latency of single images.
        start_timeout_s: how long the server may take to load the model.
        call_timeout_s: how long an answer may take before it is waited for no longer.
        code: fingerprint of this component and of the server.
        attempt: how often this model was refused before; a new number makes TFX try it again.

    Raises:
        NotJudgedError: the server was too slow, twice.
    """
    # TFX's Pusher and Kubeflow both want the folder, whatever the verdict.
    os.makedirs(blessing.uri, exist_ok=True)
    blessing.set_int_custom_property("has_model", 0)
    blessing.set_int_custom_property("blessed", 0)
    if not model_utils.is_model_blessed(model_blessing):
        logging.info("The Evaluator has not blessed the model: it is not tried.")
        return
    model_path = path_utils.serving_model_path(model.uri)
    pictures = _eval_pictures(examples, num_examples)
    # Own answers while the server starts: both are seconds of loading TensorFlow's graphs.
    with tempfile.TemporaryDirectory() as log_dir, ThreadPoolExecutor(1) as thread:
        own = thread.submit(own_answers, model_path, pictures)
        log_path = Path(log_dir, "server.log")
        for turn in range(1, _TRIES + 1):
            try:
                misses, times_ms = _try_out(
                    child_server(model_path, Path(log_dir), start_timeout_s, call_timeout_s),
                    pictures,
                    own,
                )
                break
            except TooSlowError as error:
                logging.warning("Canary, try %d: %s. Its log:\n%s", turn, error, log_tail(log_path))
                too_slow = error
        else:
            raise NotJudgedError(
                f"the model was not judged, neither blessed nor refused: {too_slow}, tried twice. "
                "Run again when the machine is less busy, or wait longer: --set "
                f"{too_slow.setting}=SECONDS."
            )
        io_utils.write_string_file(os.path.join(blessing.uri, CANARY_LOG_FILE), log_tail(log_path))
    latency_ms = float(np.percentile(times_ms, _PERCENTILE)) if times_ms else None
    if latency_ms is not None and latency_ms > max_latency_ms:
        misses.append(
            f"latency {latency_ms:,.1f} ms of {_PERCENTILE} in 100 single pictures misses its "
            f"bound {max_latency_ms:,g} ms by {latency_ms - max_latency_ms:,.1f} ms"
        )
    result = {
        "recipe": read_about(Path(model_path)).get("recipe"),
        "misses": misses,
        "num_pictures": len(pictures),
        "latency_ms": latency_ms,
        "max_latency_ms": max_latency_ms,
        "median_ms": float(np.median(times_ms)) if times_ms else None,
    }
    logging.info("Canary: %s", result)
    io_utils.write_string_file(
        os.path.join(blessing.uri, CANARY_RESULT_FILE), json.dumps(result, indent=2)
    )
    io_utils.write_string_file(
        os.path.join(blessing.uri, _REFUSED_FILE if misses else _BLESSED_FILE), ""
    )
    blessing.set_int_custom_property("blessed", int(not misses))


def _try_out(
    serving: AbstractContextManager[ChildServer],
    pictures: Sequence[bytes],
    own: Future[list[Answer]],
) -> tuple[list[str], list[float]]:
    """Asks the server; returns each failed check as a message, and latencies if there is none.

    Raises:
        TooSlowError: the server does not serve or answer in time.
    """
    misses: list[str] = []
    times_ms: list[float] = []
    try:
        with serving as server:
            misses += check_answers(server, pictures, own.result())
            if not server.has_died():
                misses += check_hostile(server)
            if not misses:
                times_ms = latencies_ms(server, pictures)
    except ServerFailedError as error:
        misses.append(str(error))
    except grpc.RpcError as error:
        misses.append(f"the model server answers {error.code().name} to an eval picture")
    return misses, times_ms


def _eval_pictures(examples: standard_artifacts.Examples, count: int) -> list[bytes]:
    folder = artifact_utils.get_split_uri([examples], "eval")
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*")))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    return [
        tf.train.Example.FromString(record).features.feature[IMAGE_KEY].bytes_list.value[0]
        for record in itertools.islice(records, count)
    ]
