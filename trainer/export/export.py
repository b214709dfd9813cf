"""Writes what is pushed: the model, and beside it what people and model servers want of it."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import tensorflow_transform as tft

from foundation.versions import ABOUT_FILE, BREEDS_FILE, MODEL_CARD_FILE, SAMPLES_DIR, WARMUP_FILE
from trainer.export.model_card import ModelFacts, model_card, versions
from trainer.export.samples import first_pictures, write_samples
from trainer.export.signatures import Servable, save_servable
from trainer.export.warmup import BATCH_SIZES, write_warmup


def export(
    network: keras.Model, transform: tft.TFTransformOutput, facts: ModelFacts, directory: Path
) -> None:
    """Exports a trained network. The same network and facts give the same files.

    Args:
        network: `(batch, *image.shape)` uint8 to `(batch, num_classes)` logits.
        transform: the Transform graph that it was trained behind.
        facts: what there is to say of it.
        directory: the folder to make.
    """
    config = facts.config
    servable = Servable(
        network,
        transform,
        facts.breeds,
        config.network.image,
        config.top_k,
        average_mirrored=config.average_mirrored,
    )
    save_servable(servable, directory)
    about = {
        "recipe": facts.recipe,
        "data": facts.data,
        "breeds": list(facts.breeds),
        "parameters": facts.parameters,
        "trainer": config.model_dump(mode="json"),
        "transform": facts.transform.model_dump(mode="json"),
        "versions": versions(),
    }
    write_samples(facts.train_split, directory / SAMPLES_DIR)
    _write(directory / ABOUT_FILE, json.dumps(about, indent=2))
    _write(directory / BREEDS_FILE, "".join(f"{breed}\n" for breed in facts.breeds))
    _write(directory / MODEL_CARD_FILE, model_card(facts))
    write_warmup(first_pictures(facts.eval_split, max(BATCH_SIZES)), directory / WARMUP_FILE)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
