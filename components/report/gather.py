"""Gathers the facts of a report from a run's artifacts, in the order of the page."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tfx.utils import io_utils

from components.evaluator.results.answer_table import read_answers
from components.evaluator.results.bounds import read_bounds
from components.evaluator.results.evaluation import read_evaluation
from components.report.audit import read_audit
from components.report.dataset_statistics import read_data
from components.report.facts import (
    ArtifactRow,
    ConfusedPair,
    Data,
    Gallery,
    ReportFacts,
    Training,
)
from components.report.pictures.eval_pictures import show_pictures
from components.report.provenance import provenance
from components.report.sources import Sources
from components.report.training import read_training
from components.report.verdict import read_verdict
from trainer.preprocessing.breeds import breeds_of_schema

_Part = TypeVar("_Part")
_TRAIN = "train"
_EVAL_SPLIT = "Split-eval"
_NO_PICTURES: tuple[tuple[ConfusedPair, ...], tuple[Gallery, ...]] = ((), ())


def gather(
    sources: Sources,
    settings: Mapping[str, Any],
    commit: str,
    artifacts: tuple[ArtifactRow, ...],
    configuration_path: Path,
    decisions: str,
    records: Path | None = None,
) -> ReportFacts:
    """Reads a run's artifacts, and the audit beside its `records`, into facts.

    `decisions` are those about single images, in words.

    Errors in verdict, evaluation and provenance are raised. Curves, statistics and images are
    optional, because the model may be served by now: where they fail they are left out, and the
    report says so.
    """
    left_out: list[str] = []
    schema_path = io_utils.get_only_uri_in_dir(str(sources.schema))
    breeds = breeds_of_schema(schema_path)

    def illustration(name: str, read: Callable[[], _Part], instead: _Part) -> _Part:
        try:
            with _timed(name):
                return read()
        except Exception as error:
            logging.exception("Report: %s is left out.", name)
            left_out.append(f"{name} ({type(error).__name__}: {error})")
            return instead

    data = illustration(
        "data",
        lambda: read_data(
            str(sources.statistics),
            schema_path,
            str(sources.anomalies),
            breeds,
            served_path=sources.baseline,
        ),
        Data(breeds=tuple(breeds), splits=(), histograms=(), drifts=(), anomalies=()),
    )
    if records is not None:
        data = replace(data, audit=illustration("audit", lambda: read_audit(records), None))
    with _timed("evaluation"):
        evaluation = read_evaluation(sources.evaluation, breeds, _train_counts(data))
        verdict = read_verdict(sources, evaluation, read_bounds(sources.evaluation))
    pairs, galleries = illustration(
        "pictures",
        lambda: show_pictures(
            read_answers(sources.evaluation, breeds),
            evaluation.confusion,
            sources.examples / _EVAL_SPLIT,
            sources.model,
        ),
        _NO_PICTURES,
    )
    training = illustration(
        "training",
        lambda: read_training(sources.model_run, sources.about),
        Training(network="unknown", num_parameters=None, epochs=(), pictures=()),
    )
    origin = provenance(sources, settings, commit, artifacts, configuration_path)
    if left_out:
        facts = (*origin.facts, ("Left out of this report", "; ".join(left_out)))
        origin = replace(origin, facts=facts)
    return ReportFacts(
        title=str(settings["name"]),
        created_at=_now(),
        verdict=verdict,
        evaluation=evaluation,
        training=training,
        data=replace(data, decisions=decisions),
        provenance=origin,
        pairs=pairs,
        galleries=galleries,
    )


def _train_counts(data: Data) -> tuple[int, ...]:
    """Returns the train split's image count of each breed; 0 where unknown."""
    counts = {split.name: split.by_breed for split in data.splits}
    return counts.get(_TRAIN, (0,) * len(data.breeds))


@contextmanager
def _timed(name: str) -> Iterator[None]:
    started_at = time.monotonic()
    yield
    logging.info("Report: %s took %.2f s.", name, time.monotonic() - started_at)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
