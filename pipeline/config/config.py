"""Typed configuration of a whole run."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator
from typing_extensions import Self

from components.evaluator.settings import EvaluatorConfig
from foundation.settings import Settings
from ingestion.options import ConvertOptions
from pipeline.config.kubeflow import KubeflowConfig
from trainer.preprocessing.image import TransformConfig
from trainer.training.config import TrainerConfig
from trainer.tuning.config import TunerConfig
from trainer.tuning.values import tuner_mistakes


class DataConfig(Settings):
    """Source and schema of the images."""

    source: str | None = None
    """Folder or archive of pictures, or records that `dogbreed convert` wrote. Nothing means the
    built-in sample."""
    fold: int | None = Field(default=None, ge=0)
    """Which fold is the eval split, for records that were converted with folds."""
    infer_schema: bool = False
    """Infer the schema from the train split instead of using the converter's."""
    curated_schema: Path | None = None
    """A schema of your own (`tensorflow_metadata` Schema, text form) instead of the converter's."""
    convert: ConvertOptions = ConvertOptions()
    """How pictures become records."""

    @model_validator(mode="after")
    def _one_schema(self) -> Self:
        if self.infer_schema and self.curated_schema:
            raise ValueError("infer_schema and curated_schema exclude each other")
        return self


class CanaryConfig(Settings):
    """Trial of a blessed model in a model server, before it is pushed."""

    enabled: bool = True
    """Serve a blessed model for a moment: with eval pictures, whose answers must be the model's
    own, with what is no picture, and against a latency."""
    examples: int = Field(default=16, ge=1, le=1000)
    """Eval pictures to ask for."""
    max_latency_ms: float = Field(default=1000.0, gt=0)
    """Bound of the time in which 99 of 100 pictures must be answered, in milliseconds, asked for
    one after the other on a processor. The default finds what hangs; where people wait for answers,
    set what they bear."""
    start_timeout_s: float = Field(default=120.0, gt=0)
    """How long the model server may take until it serves the model, in seconds. A server that does
    not is tried once more; then the run fails, and the model is neither blessed nor refused."""
    call_timeout_s: float = Field(default=60.0, gt=0)
    """How long an answer to an eval picture may take, in seconds; after that, likewise."""


class PusherConfig(Settings):
    """Destination of blessed models."""

    enabled: bool = True
    """Push what is blessed. Without it a run ends with its figures: it neither compares the model
    with the served one nor touches that."""
    destination: Path | None = None
    """The folder a model server watches; nothing means `served` below the run's root."""


class ReportConfig(Settings):
    """HTML report of a run's results and verdict."""

    enabled: bool = True
    """Make it. It takes seconds, and is made of a refused model too. Folds and the variants of a
    comparison have none."""


class Config(Settings):
    """All settings of a run. The defaults are a beginning for any pictures."""

    name: str = Field(default="sample", pattern=r"^[a-z][a-z0-9.-]{0,62}$")
    """The pipeline's name: lower-case letters, digits, '-' and '.'."""
    root: Path | None = None
    """Folder of everything a run keeps; nothing means `runs/NAME` below the current folder."""
    beam_workers: int = Field(default=1, ge=0)
    """Processes over which Beam spreads a node's work; 0 means one for each core. More than one
    pays off when a node works for minutes, because each has to import TensorFlow first: on two
    cores 12,000 photographs are still quicker in one."""
    cache: bool = True
    """Reuse the results of nodes whose inputs and settings have not changed."""
    data: DataConfig = DataConfig()
    """Which pictures."""
    transform: TransformConfig = TransformConfig()
    """How a picture becomes what the network takes."""
    tuner: TunerConfig | None = None
    """The search for the best settings of the training; nothing means none."""
    trainer: TrainerConfig = TrainerConfig()
    """How the network is trained."""
    evaluator: EvaluatorConfig = EvaluatorConfig()
    """What a model must reach."""
    canary: CanaryConfig = CanaryConfig()
    """The trial in a model server."""
    pusher: PusherConfig = PusherConfig()
    """Where blessed models go."""
    report: ReportConfig = ReportConfig()
    """The page about the run."""
    kubeflow: KubeflowConfig = KubeflowConfig()
    """How the pipeline runs on a cluster."""

    @model_validator(mode="after")
    def _search_is_possible(self) -> Self:
        if self.tuner is not None and (mistakes := tuner_mistakes(self.tuner, self.trainer)):
            raise ValueError("\n".join(mistakes))
        return self

    @property
    def root_path(self) -> Path:
        """Absolute path of the run's root."""
        return (self.root or Path("runs") / self.name).absolute()

    @property
    def push_path(self) -> Path:
        """Absolute path of the folder a model server watches."""
        return (self.pusher.destination or self.root_path / "served").absolute()
