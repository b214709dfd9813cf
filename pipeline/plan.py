"""Finds paths, fingerprints and the baseline before the DAG is built.

Everything that must invalidate TFX's cache becomes a value here: code, schema content, baseline.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.evaluator.slices import check_slices
from foundation.errors import UserError
from foundation.fingerprint import PROJECT, code_fingerprint, digest, fingerprint
from foundation.names import CANARY_RESULT_FILE, NEWEST_VERSION, NO_VERSION, TENSORFLOW_SERVING
from foundation.user_function import source_files
from foundation.versions import newest_version
from ingestion.dataset import SCHEMA_FILE, Dataset
from pipeline.config.config import Config
from pipeline.config.nodes import CANARY, NODES, TRAINER, TRANSFORM, TUNER
from pipeline.config.serialise import reported_settings, settings_of
from trainer.networks.base import NetworkSettings
from trainer.networks.transfer.network import TransferConfig
from trainer.tuning.values import searched_configs

_EXPORT_CODE = ("trainer.export.export",)
_SPLITS = {"train": "train/*", "eval": "eval/*"}


def git_commit() -> str:
    """Returns the commit, with `-dirty` where files differ; empty outside a checkout."""
    # An installed copy may lie in a checkout of another project.
    if not (PROJECT / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, or it does not trust the folder
        return ""
    return answer.stdout.strip()


@dataclass(frozen=True)
class Plan:
    """Paths and fingerprints of one run."""

    data_path: Path
    """Folder of the records."""
    splits: dict[str, str]
    """File pattern of each split, relative to `data_path`."""
    schema_file: Path | None
    """The curated schema; None infers it."""
    schema_fingerprint: str
    code: Mapping[str, str]
    """Fingerprint of each node's code by node name; nodes of TFX alone have none."""
    data: str
    """Fingerprint of the records; empty where they are on a cluster."""
    canary_attempt: int
    """Number of times the canary refused a model of this recipe."""
    recipe: str
    """Fingerprint of everything that decides the model: data, settings, code."""
    work_dir: Path
    """Folder of the checkpoints; the same for all runs that lead to the same weights."""
    baseline_version: str
    """The served version to compare with, `none` or `newest`."""
    settings: str
    """JSON of the configuration, as the report shows it for repeating the run."""
    commit: str
    """This project's commit; empty where unknown."""
    decisions: str
    """What people decided about single images, in words; empty where they did not, or unknown."""


def make_plan(config: Config, dataset: Dataset | None) -> Plan:
    """Computes the plan; on a cluster, with no dataset here, the steps complete it.

    Raises:
        UserError: the configuration names a fold, schema, slice, weights file or module that
            does not exist.
    """
    on_cluster = dataset is None
    if dataset is None:
        checkpoints = Path(config.kubeflow.checkpoints, config.name)
        data_path = config.kubeflow.data if config.kubeflow.data.startswith("/") else "/records"
        data, pretrained, model_server = "", "", ""
    else:
        check_slices(config.evaluator.slices, dataset.path / SCHEMA_FILE)
        checkpoints = config.root_path / "checkpoints"
        data_path = str(dataset.path.absolute())
        data, pretrained = dataset.fingerprint, _hash_pretrained(config.trainer.network)
        model_server = shutil.which(TENSORFLOW_SERVING) or ""
    schema_file = _schema_file(config, Path(data_path), on_cluster=on_cluster)
    schema = "" if on_cluster or schema_file is None else digest(schema_file.read_bytes())
    code = {node.name: node.fingerprint() for node in NODES.values() if node.code}
    code[CANARY.name] = fingerprint(code[CANARY.name], model_server)
    own = _files_of_user_functions(config)
    code |= {node.name: node.fingerprint(own) for node in (TRAINER, TUNER)}
    weights = fingerprint(
        data,
        config.data.fold,
        settings_of(config, "transform", "trainer", "tuner"),
        pretrained,
        _training_code(own, with_search=config.tuner is not None),
    )
    recipe = fingerprint(weights, code_fingerprint(_EXPORT_CODE))
    return Plan(
        data_path=Path(data_path),
        splits=_splits(config, dataset),
        schema_file=schema_file,
        schema_fingerprint=schema,
        code=code,
        data=data,
        canary_attempt=0 if on_cluster else _refusals(config.root_path, recipe),
        recipe=recipe,
        work_dir=checkpoints / weights,
        baseline_version=NEWEST_VERSION if on_cluster else _baseline_version(config, recipe),
        settings=reported_settings(config, on_cluster=on_cluster),
        commit=git_commit(),
        decisions=dataset.decisions.in_words if dataset and dataset.decisions else "",
    )


def _training_code(own: Collection[Path], *, with_search: bool) -> str:
    """Fingerprints the code that decides the weights (not images or the export)."""
    entries = [*TRANSFORM.code, *TRAINER.code, *(TUNER.code if with_search else ())]
    return code_fingerprint(entries, files=own, without=("trainer.pictures", "trainer.export"))


def _files_of_user_functions(config: Config) -> list[Path]:
    """Lists the files of the user's own functions, including those only a search names."""
    names = {
        name
        for settings in searched_configs(config.tuner, config.trainer)
        for name in settings.user_functions
    }
    return [file for name in sorted(names) for file in source_files(name)]


def _baseline_version(config: Config, recipe: str) -> str:
    if not config.pusher.enabled:
        return NO_VERSION
    # An uncached run is compared with what is served, even if that came from the same recipe.
    served = newest_version(config.push_path, not_from_recipe=recipe if config.cache else None)
    return NO_VERSION if served is None else str(served)


def _schema_file(config: Config, data_path: Path, *, on_cluster: bool) -> Path | None:
    if config.data.infer_schema:
        return None
    path = config.data.curated_schema or data_path / SCHEMA_FILE
    if on_cluster:
        return path
    if not path.is_file():
        raise UserError(
            f"There is no schema {path}. Name one with data.curated_schema, or set "
            "data.infer_schema=true."
        )
    return path.absolute()


def _hash_pretrained(network: NetworkSettings) -> str:
    """Hashes the pretrained weights, which are part of the recipe."""
    if not isinstance(network, TransferConfig) or network.weights_file is None:
        return ""
    try:
        return digest(network.weights_file.read_bytes())
    except OSError as error:
        raise UserError(
            f"trainer.network.weights: {network.weights_file} cannot be read: {error.strerror}."
        ) from None


def _refusals(root: Path, recipe: str) -> int:
    """Counts how often the canary refused a model of this recipe.

    The machine may have been busy: a refused model is tried again by the next run.
    """
    results = (
        json.loads(path.read_text())
        for path in root.glob(f"artifacts/Canary/blessing/*/{CANARY_RESULT_FILE}")
    )
    return sum(bool(result["misses"]) and result["recipe"] == recipe for result in results)


def _splits(config: Config, dataset: Dataset | None) -> dict[str, str]:
    fold = config.data.fold
    if dataset is None:
        return _SPLITS if fold is None else _fold_splits(fold)
    names = list(dataset.splits)
    if "eval" in names:
        if fold is not None:
            raise UserError("data.fold needs records that were converted with folds.")
        return _SPLITS
    fold = fold or 0
    if fold >= len(names):
        raise UserError(f"data.fold is {fold}, but the records have folds 0 to {len(names) - 1}.")
    return _fold_splits(fold)


def _fold_splits(fold: int) -> dict[str, str]:
    return {"train": f"fold-[!{fold}]/*", "eval": f"fold-{fold}/*"}
