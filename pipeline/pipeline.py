"""Builds the DAG from its nodes."""

from __future__ import annotations

from tensorflow_data_validation import StatsOptions
from tfx.components import ImportExampleGen, SchemaGen, StatisticsGen, Trainer, Transform, Tuner
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, pusher_pb2

from components.baseline import Baseline
from components.canary.component import Canary
from components.curated_schema import CuratedSchema
from components.evaluator.component import Evaluator
from components.evaluator.config import eval_config
from components.example_validator import ExampleValidator
from components.pusher.component import Pusher
from components.report.component import Report
from pipeline.config.config import Config
from pipeline.config.nodes import (
    BASELINE,
    CANARY,
    CURATED_SCHEMA,
    EVALUATOR,
    EXAMPLE_VALIDATOR,
    PUSHER,
    REPORT,
    TRAINER,
    TRANSFORM,
    TUNER,
)
from pipeline.config.serialise import settings_of
from pipeline.plan import Plan
from trainer.preprocessing.features import CHECKED_KEYS


def create_pipeline(config: Config, plan: Plan) -> Pipeline:
    """Connects the nodes of the DAG; the runner decides where they run."""
    example_gen = ImportExampleGen(
        input_base=str(plan.data_path),
        input_config=example_gen_pb2.Input(
            splits=[
                example_gen_pb2.Input.Split(name=name, pattern=pattern)
                for name, pattern in plan.splits.items()
            ]
        ),
    )

    statistics_gen = StatisticsGen(
        examples=example_gen.outputs["examples"],
        stats_options=None
        if plan.schema_file
        else StatsOptions(feature_allowlist=list(CHECKED_KEYS)),
    )

    # The converter's schema, or one inferred from the train split. The eval split takes no part, so
    # that a class only it contains is an anomaly.
    if plan.schema_file:
        schema_gen = CuratedSchema(
            schema_file=str(plan.schema_file),
            fingerprint=plan.schema_fingerprint,
            code=plan.code[CURATED_SCHEMA.name],
        )
        schema_gen.add_upstream_node(statistics_gen)
    else:
        schema_gen = SchemaGen(
            statistics=statistics_gen.outputs["statistics"], exclude_splits=["eval"]
        )

    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
        code=plan.code[EXAMPLE_VALIDATOR.name],
    )

    # Decodes and scales the images once. Statistics of the output would say nothing new and take
    # half the node's time.
    transform = Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn="trainer.preprocessing.transform.preprocessing_fn",
        custom_config={
            "image": config.trainer.network.image.model_dump(),
            **settings_of(config, "transform"),
            "code": plan.code[TRANSFORM.name],
        },
        disable_statistics=True,
    )
    transform.add_upstream_node(example_validator)

    training = {
        **settings_of(config, "transform", "trainer"),
        "data": plan.data,
        "work_dir": str(plan.work_dir),
    }
    tuner = None
    if config.tuner is not None:
        tuner = Tuner(
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=schema_gen.outputs["schema"],
            tuner_fn="trainer.tuning.tuner_fn.tuner_fn",
            custom_config={
                **training,
                **settings_of(config, "tuner"),
                "code": plan.code[TUNER.name],
            },
        )

    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner is not None else None,
        run_fn="trainer.training.run_fn.run_fn",
        custom_config={**training, "recipe": plan.recipe, "code": plan.code[TRAINER.name]},
    )

    # Resolves the served model, if there is one and this run may replace it.
    baseline = None
    if config.pusher.enabled:
        baseline = Baseline(
            schema=schema_gen.outputs["schema"],
            push_destination=str(config.push_path),
            version=plan.baseline_version,
            code=plan.code[BASELINE.name],
        )
        baseline.add_upstream_node(trainer)

    # Blesses the new model if it meets the bounds and is not worse than the served one.
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"] if baseline is not None else None,
        eval_config=eval_config(config.evaluator),
        report_only=config.evaluator.report_only,
        robustness=config.evaluator.robustness,
        code=plan.code[EVALUATOR.name],
    )

    # Tries a blessed model in a model server before it is pushed.
    canary = None
    if config.pusher.enabled and config.canary.enabled:
        canary = Canary(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            num_examples=config.canary.examples,
            max_latency_ms=config.canary.max_latency_ms,
            start_timeout_s=config.canary.start_timeout_s,
            call_timeout_s=config.canary.call_timeout_s,
            code=plan.code[CANARY.name],
            attempt=plan.canary_attempt,
        )

    pusher = None
    if config.pusher.enabled:
        folder = pusher_pb2.PushDestination.Filesystem(base_directory=str(config.push_path))
        pusher = Pusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            infra_blessing=canary.outputs["blessing"] if canary is not None else None,
            statistics=statistics_gen.outputs["statistics"],
            evaluation=evaluator.outputs["evaluation"],
            baseline_model=baseline.outputs["model"] if baseline is not None else None,
            push_destination=pusher_pb2.PushDestination(filesystem=folder),
            code=plan.code[PUSHER.name],
        )

    # Refused models are reported too.
    report = None
    if config.report.enabled:
        report = Report(
            examples=example_gen.outputs["examples"],
            statistics=statistics_gen.outputs["statistics"],
            schema=schema_gen.outputs["schema"],
            anomalies=example_validator.outputs["anomalies"],
            transform_graph=transform.outputs["transform_graph"],
            model=trainer.outputs["model"],
            model_run=trainer.outputs["model_run"],
            evaluation=evaluator.outputs["evaluation"],
            blessing=evaluator.outputs["blessing"],
            baseline=baseline.outputs["model"] if baseline is not None else None,
            infra_blessing=canary.outputs["blessing"] if canary is not None else None,
            pushed_model=pusher.outputs["pushed_model"] if pusher is not None else None,
            settings=plan.settings,
            commit=plan.commit,
            decisions=plan.decisions,
            code=plan.code[REPORT.name],
            records=str(plan.data_path) if plan.data else "",
        )

    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(config.root_path / "artifacts"),
        components=[
            node
            for node in (
                example_gen,
                statistics_gen,
                schema_gen,
                example_validator,
                transform,
                tuner,
                trainer,
                baseline,
                evaluator,
                canary,
                pusher,
                report,
            )
            if node is not None
        ],
        enable_cache=config.cache,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(config.root_path / "metadata.sqlite")
        ),
        beam_pipeline_args=_beam_arguments(config),
    )


def _beam_arguments(config: Config) -> list[str]:
    # With any argument, TFX packs itself for every Beam node, which one process does not need.
    if config.beam_workers == 1:
        return []
    return [f"--direct_num_workers={config.beam_workers}", "--direct_running_mode=multi_processing"]
