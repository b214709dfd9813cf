"""Reads the whole result of the Evaluator: metrics, bounds, slices and answers.

Values are TFMA's. Intervals and an order of the classes are computed from the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.writers import eval_config_writer

from components.evaluator.metrics import EXAMPLE_COUNT
from components.evaluator.results.answer_table import read_answer_table
from components.evaluator.results.calibration import read_calibration
from components.evaluator.results.figures import intervals_of, read_figures
from components.evaluator.results.robustness import read_robustness
from components.evaluator.results.tables import (
    breed_rows,
    confusion_order,
    dense,
    majority_class,
    slice_rows,
)
from components.evaluator.results.tfma import load_slices, slice_key
from components.evaluator.results.values import Confusion, Evaluation


def read_evaluation(
    evaluation: Path | str, breeds: Sequence[str], train_counts: Sequence[int]
) -> Evaluation:
    """Reads the Evaluator's output, given the breeds and their train images in label order.

    Raises:
        FileNotFoundError: there are no answers.
    """
    config, *_ = eval_config_writer.load_eval_run(str(evaluation))
    slices = load_slices(evaluation)
    overall = slices[()]
    table = read_answer_table(evaluation)
    model = intervals_of(table, table.model)
    baseline = intervals_of(table, table.baseline) if table.baseline is not None else None
    counts = dense(overall.model.confusion, len(breeds))
    baseline_counts = (
        dense(overall.baseline.confusion, len(breeds)) if overall.baseline.confusion else None
    )
    missed = frozenset(
        slice_key(record.slice_key)
        for record in tfma.load_validation_result(str(evaluation)).metric_validations_per_slice
    )
    return Evaluation(
        num_eval=round(overall.model.figures[EXAMPLE_COUNT]),
        majority=majority_class(slices),
        figures=read_figures(overall, model, baseline),
        breeds=breed_rows(breeds, train_counts, counts, baseline_counts),
        slices=tuple(slice_rows(config, slices, missed)),
        confusion=Confusion(
            breeds=tuple(breeds),
            counts=tuple(tuple(row) for row in counts.tolist()),
            order=confusion_order(counts),
        ),
        calibration=read_calibration(
            evaluation, table.model, model.ece if model is not None else None
        ),
        robustness=read_robustness(evaluation),
    )
