"""`tiny_run.py`'s other side: the same DAG, written as TFX's own examples are.

Usage: python benchmarks/tfx_style_pipeline.py RECORDS ROOT EPOCHS
"""

from __future__ import annotations

import os
import sys

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx

from ingestion.dataset import load_dataset


def create_pipeline(records: str, root: str, epochs: int) -> tfx.dsl.Pipeline:
    """Builds the DAG with module_file, float features, a Resolver and default Beam options."""
    from pathlib import Path

    dataset = load_dataset(Path(records))
    module_file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tfx_style_module.py")
    steps_per_epoch = -(-dataset.splits["train"].num_examples // 32)

    example_gen = tfx.components.ImportExampleGen(
        input_base=records,
        input_config=tfx.proto.Input(
            splits=[
                tfx.proto.Input.Split(name="train", pattern="train/*"),
                tfx.proto.Input.Split(name="eval", pattern="eval/*"),
            ]
        ),
    )
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(
        statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True
    )
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        module_file=module_file,
    )
    trainer = tfx.components.Trainer(
        module_file=module_file,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=steps_per_epoch * epochs),
        eval_args=tfx.proto.EvalArgs(num_steps=-(-dataset.splits["eval"].num_examples // 32)),
        custom_config={"num_classes": len(dataset.labels), "epochs": epochs},
    )
    model_resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model_resolver")
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=model_resolver.outputs["model"],
        eval_config=tfma.EvalConfig(
            model_specs=[tfma.ModelSpec(label_key="image/class/label")],
            slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["image/class/text"])],
            metrics_specs=[
                tfma.MetricsSpec(
                    metrics=[
                        tfma.MetricConfig(class_name="ExampleCount"),
                        tfma.MetricConfig(class_name="SparseCategoricalCrossentropy"),
                        tfma.MetricConfig(class_name="SparseTopKCategoricalAccuracy"),
                        tfma.MetricConfig(
                            class_name="SparseCategoricalAccuracy",
                            threshold=tfma.MetricThreshold(
                                value_threshold=tfma.GenericValueThreshold(
                                    lower_bound={"value": 0.0}
                                ),
                                change_threshold=tfma.GenericChangeThreshold(
                                    direction=tfma.MetricDirection.HIGHER_IS_BETTER,
                                    absolute={"value": -1.0},
                                ),
                            ),
                        ),
                    ]
                )
            ],
        ),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=os.path.join(root, "served")
            )
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="tfx-style",
        pipeline_root=os.path.join(root, "artifacts"),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            transform,
            trainer,
            model_resolver,
            evaluator,
            pusher,
        ],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(root, "metadata.sqlite")
        ),
        enable_cache=True,
    )


if __name__ == "__main__":
    _records, _root, _epochs = sys.argv[1:]
    os.makedirs(_root, exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(create_pipeline(_records, _root, int(_epochs)))
