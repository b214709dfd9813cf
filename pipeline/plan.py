"""What has to be known before the DAG is built: where things are, and what has changed.

Everything that TFX's cache must notice becomes a value here: the code behind a dotted path, the
content of a schema, the version that a new model is compared with.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from components.evaluator.slices import check_slices
from foundation.errors import UserError
from foundation.names import CANARY_RESULT_FILE, NEWEST_VERSION, NO_VERSION, TENSORFLOW_SERVING
from foundation.versions import newest_version
from ingestion.dataset import SCHEMA_FILE, Dataset
from pipeline.config.config import Config
from trainer.networks.base import NetworkSettings
from trainer.networks.transfer_config import TransferConfig

_PROJECT = Path(__file__).parents[1]


def git_commit() -> str:
    """Returns the commit, with `-dirty` behind it where files differ; empty outside a checkout."""
    # An installed copy may lie in a checkout of something else, whose commit would say nothing.
    if not (_PROJECT / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            command, cwd=_PROJECT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, or it does not trust the folder
        return ""
    return answer.stdout.strip()


_TRANSFORM_CODE = (
    "trainer/preprocessing/transform.py",
    "trainer/preprocessing/encoded_image.py",
    "trainer/preprocessing/features.py",
    "trainer/preprocessing/image.py",
    "ingestion/picture.py",
)
_TRAINER_CODE = ("trainer/**/*.py",)
_CANARY_CODE = (
    "components/canary/*.py",
    "serving/model_server/**/*.py",
)
_REPORT_CODE = ("components/report/**/*.py", "components/report/page/templates/*")
# What has no say in what comes out: a rerun that differs in it alone makes no new report.
_NOT_REPORTED = {"beam_workers", "cache"}


@dataclass(frozen=True)
class Plan:
    """Places and fingerprints of one run."""

    data_path: Path
    """Folder of the records."""
    splits: dict[str, str]
    """File pattern of each split, relative to `data_path`."""
    schema_file: Path | None
    """The curated schema; None means that it is inferred."""
    schema_fingerprint: str
    """Hash of the curated schema's content."""
    transform_code: str
    """Hash of the code that Transform runs."""
    trainer_code: str
    """Hash of the code that Tuner and Trainer run."""
    data: str
    """Fingerprint of the records."""
    canary_code: str
    """Hash of the model server that a model is tried in, and of the trial."""
    canary_attempt: int
    """How often a model of this recipe was refused in the trial."""
    recipe: str
    """Hash of all that decides which model comes out: data, transform, trainer, tuner, code."""
    work_dir: Path
    """Where training keeps its checkpoints; the same for every run with the same recipe."""
    baseline_version: str
    """The served version to compare with, or `none`."""
    report_code: str
    """Hash of the code that makes the report."""
    settings: str
    """JSON of the configuration, as the report gives it for repeating the run from anywhere."""
    commit: str
    """This project's commit; empty where it is not known."""


def make_plan(config: Config, dataset: Dataset) -> Plan:
    """Looks at records, code and push destination.

    Args:
        config: the run's configuration.
        dataset: converted records.

    Raises:
        UserError: the configuration asks for a fold, a schema, a slice or a file of weights that
            is not there.
    """
    check_slices(config.evaluator.slices, dataset.path / SCHEMA_FILE)
    schema_file = None if config.data.infer_schema else _schema_file(config, dataset)
    transform_code, trainer_code = _hash_code(_TRANSFORM_CODE), _hash_code(_TRAINER_CODE)
    recipe = _hash(
        dataset.fingerprint,
        str(config.data.fold),
        config.transform.model_dump_json(),
        config.trainer.model_dump_json(),
        config.tuner.model_dump_json() if config.tuner else "",
        trainer_code,
        _hash_weights(config.trainer.network),
    )
    # An uncached run is compared with what is served, even if that came from the same recipe.
    served = (
        newest_version(config.push_path, not_from_recipe=recipe if config.cache else None)
        if config.pusher.enabled
        else None
    )
    return Plan(
        data_path=dataset.path.absolute(),
        splits=_splits(config, dataset),
        schema_file=schema_file,
        schema_fingerprint=_hash(schema_file.read_text()) if schema_file else "",
        transform_code=transform_code,
        trainer_code=trainer_code,
        data=dataset.fingerprint,
        canary_code=_hash(_hash_code(_CANARY_CODE), shutil.which(TENSORFLOW_SERVING) or ""),
        canary_attempt=_refusals(config.root_path, recipe),
        recipe=recipe,
        work_dir=config.root_path / "checkpoints" / recipe,
        baseline_version=NO_VERSION if served is None else str(served),
        report_code=_hash_code(_REPORT_CODE),
        settings=reported_settings(config),
        commit=git_commit(),
    )


def plan_for_cluster(config: Config) -> Plan:
    """Plans without a look at records or push destination: those are on the cluster.

    What depends on the records is completed by the steps, once they see them.

    Args:
        config: the run's configuration, whose root and push destination are the cluster's.
    """
    data_path = Path(config.kubeflow.data if config.kubeflow.data.startswith("/") else "/records")
    schema_file = config.data.curated_schema or data_path / SCHEMA_FILE
    fold = config.data.fold
    transform_code, trainer_code = _hash_code(_TRANSFORM_CODE), _hash_code(_TRAINER_CODE)
    recipe = _hash(
        config.transform.model_dump_json(),
        config.trainer.model_dump_json(),
        config.tuner.model_dump_json() if config.tuner else "",
        trainer_code,
    )
    return Plan(
        data_path=data_path,
        splits={"train": "train/*", "eval": "eval/*"} if fold is None else _fold_splits(fold),
        schema_file=None if config.data.infer_schema else schema_file,
        schema_fingerprint="",
        transform_code=transform_code,
        trainer_code=trainer_code,
        data="",
        canary_code=_hash_code(_CANARY_CODE),
        canary_attempt=0,
        recipe=recipe,
        work_dir=Path(config.kubeflow.checkpoints) / config.name / recipe,
        baseline_version=NEWEST_VERSION,
        report_code=_hash_code(_REPORT_CODE),
        settings=config.model_dump_json(exclude={*_NOT_REPORTED, "root"}),
        commit=git_commit(),
    )


def reported_settings(config: Config) -> str:
    """Returns JSON of a configuration, as the report gives it.

    Paths are made absolute, so that it means the same in another folder. What has no say in what
    comes out is left out.
    """
    source, schema = config.data.source, config.data.curated_schema
    if source is not None and Path(source).exists():
        source = str(Path(source).absolute())
    data = {"source": source, "curated_schema": schema.absolute() if schema else None}
    pusher = {"destination": config.pusher.destination and config.push_path}
    return config.model_copy(
        update={
            "root": config.root_path,
            "data": config.data.model_copy(update=data),
            "pusher": config.pusher.model_copy(update=pusher),
        }
    ).model_dump_json(exclude={*_NOT_REPORTED, "kubeflow"})


def _schema_file(config: Config, dataset: Dataset) -> Path:
    path = config.data.curated_schema or dataset.path / SCHEMA_FILE
    if not path.is_file():
        raise UserError(
            f"There is no schema {path}. Name one with data.curated_schema, or set "
            "data.infer_schema=true."
        )
    return path.absolute()


def _hash_weights(network: NetworkSettings) -> str:
    """Hashes the file that a backbone starts from, so that other weights are another recipe."""
    if not isinstance(network, TransferConfig) or network.weights in ("imagenet", "none"):
        return ""
    try:
        return hashlib.sha256(Path(network.weights).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(
            f"trainer.network.weights: {network.weights} cannot be read: {error.strerror}."
        ) from None


def _refusals(root: Path, recipe: str) -> int:
    """Counts how often the canary refused a model of this recipe.

    It may have been a busy machine: what was refused is tried again with the next run, while what
    was blessed is not.
    """
    results = (
        json.loads(path.read_text())
        for path in root.glob(f"artifacts/Canary/blessing/*/{CANARY_RESULT_FILE}")
    )
    return sum(bool(result["misses"]) and result["recipe"] == recipe for result in results)


def _splits(config: Config, dataset: Dataset) -> dict[str, str]:
    names = list(dataset.splits)
    fold = config.data.fold
    if "eval" in names:
        if fold is not None:
            raise UserError("data.fold needs records that were converted with folds.")
        return {"train": "train/*", "eval": "eval/*"}
    fold = fold or 0
    if fold >= len(names):
        raise UserError(f"data.fold is {fold}, but the records have folds 0 to {len(names) - 1}.")
    return _fold_splits(fold)


def _fold_splits(fold: int) -> dict[str, str]:
    return {"train": f"fold-[!{fold}]/*", "eval": f"fold-{fold}/*"}


def _hash_code(patterns: tuple[str, ...]) -> str:
    files = sorted(path for pattern in patterns for path in _PROJECT.glob(pattern))
    return _hash(*(path.read_text() for path in files))


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
