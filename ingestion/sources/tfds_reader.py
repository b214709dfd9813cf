"""Reader of `tfds:NAME`: any labelled image set of TensorFlow Datasets.

The only module here that loads TensorFlow, through the optional extra `dogbreed[tfds]`, once a
source asks for it. Catalogue: https://www.tensorflow.org/datasets/catalog/overview
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from foundation.errors import DatasetError
from ingestion.sources.reader import Picture


class TfdsReader:
    """Reader of all splits of a set, named as "cifar10:3.0.2"; it is downloaded if needed.

    Raises:
        DatasetError: the extra is not installed, the set is unknown or cannot be fetched, or it has
            no image with exactly one class.
    """

    def __init__(self, name: str) -> None:
        try:
            self._tfds: Any = importlib.import_module("tensorflow_datasets")
        except ImportError as error:
            raise DatasetError(
                f"tfds:{name} is read by TensorFlow Datasets, which is not installed: "
                "run `pip install dogbreed[tfds]`."
            ) from error
        try:
            self._builder: Any = self._tfds.builder(name)
            self._builder.download_and_prepare()
        # Each set has its own download code, which can raise anything.
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise DatasetError(f"tfds:{name} cannot be prepared: {reason}") from error
        features: dict[str, Any] = dict(self._builder.info.features)
        self._image_key = _only_key(features, self._tfds.features.Image, name, "picture")
        label_key = _only_key(features, self._tfds.features.ClassLabel, name, "class")
        self._label_key = label_key
        self._class_names: list[str] = list(features[label_key].names)
        self._name_key = next((key for key in features if key.endswith(("file_name", "name"))), "")

    @property
    def layout(self) -> str:
        """See `reader.Reader`."""
        return "tfds"

    def names(self) -> Iterator[tuple[str, str]]:
        """See `reader.Reader`."""
        for picture in self.pictures():
            yield picture.class_name, picture.file_name

    def pictures(self) -> Iterator[Picture]:
        """See `reader.Reader`. Images come as the set stores them, not decoded."""
        for split in sorted(self._builder.info.splits):
            rows = self._builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders={self._image_key: self._tfds.decode.SkipDecoding()},
                # File by file: the split every-5th depends on the order.
                read_config=self._tfds.ReadConfig(interleave_cycle_length=1),
            )
            for index, row in enumerate(self._tfds.as_numpy(rows)):
                name = (
                    bytes(row[self._name_key]).decode("utf-8", "replace") if self._name_key else ""
                )
                yield Picture(
                    self._class_names[int(row[self._label_key])],
                    f"{split}/{name or f'{index:07}'}",
                    bytes(row[self._image_key]),
                )


def _only_key(features: dict[str, Any], kind: Any, name: str, what: str) -> str:
    keys = [key for key, feature in features.items() if isinstance(feature, kind)]
    for usual in ("image", "label"):  # a set may hold a second image (a mask) or class
        if usual in keys:
            return usual
    if len(keys) != 1:
        raise DatasetError(
            f"tfds:{name} has {len(keys)} fields that could be its {what}: pick a set of pictures "
            "with one class each."
        )
    return keys[0]
