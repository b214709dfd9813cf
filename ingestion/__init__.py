"""Converts labelled images of any common layout to TFRecord shards, without TensorFlow.

`convert` is the entry point; `load_dataset` reads the result. Nothing here imports TensorFlow, so
that the command starts fast and worker processes stay small; the one exception is the optional
reader of TensorFlow Datasets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.lazy import lazily

if TYPE_CHECKING:
    from ingestion.conversion import convert as convert
    from ingestion.dataset import Dataset as Dataset
    from ingestion.dataset import load_dataset as load_dataset
    from ingestion.options import ConvertOptions as ConvertOptions
    from ingestion.toy_dogs.sample import write_sample as write_sample

__getattr__ = lazily(
    __name__,
    {
        "ConvertOptions": ".options",
        "Dataset": ".dataset",
        "convert": ".conversion",
        "load_dataset": ".dataset",
        "write_sample": ".toy_dogs.sample",
    },
)
