"""Writes the model card: what a model is, its training, its data and its limits, in markdown.

After Mitchell et al., "Model Cards for Model Reporting" (https://arxiv.org/abs/1810.03993).
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf
import tensorflow_transform as tft
import tfx
import yaml

from ingestion.picture import MAX_MEGAPIXELS
from trainer.export.calibration import Calibration
from trainer.preprocessing.image import TransformConfig
from trainer.training.config import TrainerConfig
from trainer.training.history import Epoch
from trainer.training.input import Split

HOW_GOOD = "## How good it is"
"""Heading of the section that the push completes."""
UNTIL_PUSHED = (
    "What it comes to on all eval pictures, and the bounds that it has to keep, are added to this "
    "card when it is pushed."
)
"""Paragraph that stands in for that."""

_SIGNATURES = """\
| Signature | Takes | Gives |
| --- | --- | --- |
| `serving_default` | `pictures`: encoded pictures | `breeds`, `probabilities`: the {top_k} most \
probable, the first most{is_known} |
| `classify` | `inputs`: `tf.train.Example`s | `classes`, `scores`: the same, for the Classify \
call |
| `features` | `pictures`: encoded pictures | `features`: what the last layer sees, to compare \
pictures by |
| `saliency` | `pictures`: encoded pictures; `labels`: a breed for each, as its number in the list \
below | `maps`: where the network looks for it, rows and columns in [0, 1] (Grad-CAM), and \
`probabilities` of all breeds; a network without a convolution lacks this signature |
| `evaluate` | `examples`: `tf.train.Example`s | `probabilities` of all breeds, in label order\
{is_known} |
| `transform_features` | `examples`: `tf.train.Example`s with labels | what TFX's Transform makes \
of them |

A picture is the content of a JPEG, PNG, BMP or GIF file, whose first frame counts; in an example it
is the feature `image/encoded`. Decoding, scaling and normalising are part of the model. From the
command line, and in Python:

```sh
dogbreed predict dog.jpg
```

```python
import grpc, tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

request = predict_pb2.PredictRequest()
request.model_spec.name = "dogbreed"
request.inputs["pictures"].CopyFrom(tf.make_tensor_proto([open("dog.jpg", "rb").read()]))
stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel("localhost:8500"))
print(stub.Predict(request, timeout=10).outputs["breeds"])
```
"""

_LIMITS = """\
- It knows the breeds listed below and nothing else. Shown another breed, a mongrel, a cat or a
  chair, it still names one of them, and may do so with a high probability.{unknown}
- It expects one dog that fills most of the picture, as in the pictures that it learned from. It
  does not find dogs, nor count them.
- {probability}
- Its accuracy differs from breed to breed; breeds with few pictures are known least well.
- Do not rest a decision about an animal or a person on its answer alone.
- Pictures of more than {max_megapixels} megapixels are refused. The orientation that a camera notes
  in a file is not looked at: turn such a picture upright first.
"""

_IS_KNOWN = ", and `is_known`: whether the picture is like those that it learned from"
_UNKNOWN = """ `is_known` is
  false for most of what is no dog, such as noise, blank pages and drawings; another breed of dog is
  often taken for known."""
_CALIBRATED = """A probability is meant to be how often such an answer is right: its logits are
  divided by {temperature:.3f}, which fits best on {num_held_out:,} train pictures that it did not
  learn from. They also decide what is known."""
_UNCALIBRATED = (
    "A probability is the network's own and says how sure it is, not how often it is right."
)


@dataclass(frozen=True)
class ModelFacts:
    """The contents of a model card."""

    breeds: Sequence[str]
    """In label order."""
    config: TrainerConfig
    transform: TransformConfig
    """How images are preprocessed."""
    train_split: Split
    eval_split: Split
    history: Sequence[Epoch]
    """A row for each epoch, at least one."""
    parameters: int
    """Number of weights, trainable or not."""
    data: str
    """Fingerprint of the records."""
    recipe: str
    """Fingerprint of everything that determines the model."""
    calibration: Calibration | None = None
    """How sure it may be."""


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that the model was made with, by name."""
    return {
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "TensorFlow Transform": tft.__version__,
        "TFX": tfx.__version__,
    }


def model_card(facts: ModelFacts) -> str:
    """Writes the card. The same facts give the same card."""
    config, image = facts.config, facts.config.network.image
    colours = "in colour" if image.channels == 3 else "in grey"
    settings = {
        "trainer": config.model_dump(mode="json"),
        "transform": facts.transform.model_dump(mode="json"),
    }
    lines = [
        "# Dog breeds",
        "",
        f"Names the breed of the dog in a picture, one of {len(facts.breeds)}. The network is "
        f"`{config.network.name}` with {facts.parameters:,} parameters; it sees pictures of "
        f"{image.height_px} x {image.width_px} pixels, {colours}.",
        "",
        "## How to call it",
        "",
        _SIGNATURES.format(
            top_k=min(config.top_k, len(facts.breeds)),
            is_known=_IS_KNOWN if facts.calibration is not None else "",
        ),
        "## What it is not for",
        "",
        _LIMITS.format(
            max_megapixels=MAX_MEGAPIXELS,
            unknown=_UNKNOWN if facts.calibration is not None else "",
            probability=_probability(facts.calibration),
        ),
        HOW_GOOD,
        "",
        "As measured while it was trained. Losses are cross-entropies in nats, accuracies shares.",
        "",
        *_figures(facts.history),
        "",
        UNTIL_PUSHED,
        "",
        "## What it was made of",
        "",
        *markdown_table(
            ("", ""),
            [
                ("Train pictures", f"{facts.train_split.num_examples:,}"),
                ("Eval pictures", f"{facts.eval_split.num_examples:,}"),
                ("Data fingerprint", f"`{facts.data}`"),
                ("Recipe", f"`{facts.recipe}`, of data, settings and code"),
                *versions().items(),
            ],
        ),
        "",
        "```yaml",
        yaml.safe_dump(settings, sort_keys=False).rstrip(),
        "```",
        "",
        "## Breeds",
        "",
        *markdown_table(("Label", "Breed", "Train pictures", "Eval pictures"), _breed_rows(facts)),
    ]
    return "\n".join(lines) + "\n"


def _probability(calibration: Calibration | None) -> str:
    if calibration is None:
        return _UNCALIBRATED
    return _CALIBRATED.format(
        temperature=calibration.temperature, num_held_out=calibration.num_held_out
    )


def _figures(history: Sequence[Epoch]) -> list[str]:
    rows = [("Last epoch", history[-1])]
    measured = [(epoch.val_loss, epoch) for epoch in history if epoch.val_loss is not None]
    if measured:
        _, best = min(measured, key=lambda pair: pair[0])
        rows.append(("Epoch of the lowest eval loss", best))
    return markdown_table(
        ("", "Epoch", "Train loss", "Train accuracy", "Eval loss", "Eval accuracy"),
        [
            (
                title,
                str(epoch.epoch),
                *(
                    "" if value is None else f"{value:.4f}"
                    for value in (epoch.loss, epoch.accuracy, epoch.val_loss, epoch.val_accuracy)
                ),
            )
            for title, epoch in rows
        ],
    )


def _breed_rows(facts: ModelFacts) -> Iterator[tuple[str, ...]]:
    for label, breed in enumerate(facts.breeds):
        counts = (
            split.label_counts[label] if label < len(split.label_counts) else 0
            for split in (facts.train_split, facts.eval_split)
        )
        yield (str(label), breed, *(f"{count:,}" for count in counts))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Formats a markdown table and escapes bars, which would end a cell."""
    cells = [[value.replace("|", "\\|") for value in row] for row in (header, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], f"|{' --- |' * len(header)}", *lines[1:]]
