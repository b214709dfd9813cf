"""Command `dogbreed convert`: converts images to TFRecord."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ingestion.options import ConvertOptions, LayoutName, SplitName
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import convert_option, names_in

_DEFAULTS = ConvertOptions()


@app.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder, .tar, .tar.gz or .zip of labelled pictures, or tfds:NAME.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to make. It appears whole or not at all.")],
    layout: Annotated[LayoutName, convert_option("layout")] = _DEFAULTS.layout,
    breeds: Annotated[str, convert_option("breeds", metavar="A,B,...", show_default=False)] = "",
    exclude: Annotated[str, convert_option("exclude", metavar="A,B,...", show_default=False)] = "",
    per_breed: Annotated[int | None, convert_option("per_breed")] = None,
    split: Annotated[SplitName, convert_option("split")] = _DEFAULTS.split,
    eval_share: Annotated[float, convert_option("eval_share")] = _DEFAULTS.eval_share,
    folds: Annotated[int | None, convert_option("folds")] = None,
    shorter_side: Annotated[
        int, convert_option("shorter_side_px", metavar="PIXELS")
    ] = _DEFAULTS.shorter_side_px,
    grayscale: Annotated[bool, convert_option("grayscale", "--grayscale")] = False,
    shard_size: Annotated[int | None, convert_option("shard_size", metavar="EXAMPLES")] = None,
    seed: Annotated[int, convert_option("seed")] = _DEFAULTS.seed,
    contradictory: Annotated[
        Literal["reject", "keep"], convert_option("contradictory")
    ] = _DEFAULTS.contradictory,
    decisions: Annotated[Path | None, convert_option("decisions", metavar="FILE")] = None,
    max_rejected: Annotated[
        float, convert_option("max_rejected_share", metavar="SHARE")
    ] = _DEFAULTS.max_rejected_share,
    min_train: Annotated[int, convert_option("min_train")] = _DEFAULTS.min_train,
    min_eval: Annotated[int, convert_option("min_eval")] = _DEFAULTS.min_eval,
    small_classes: Annotated[
        Literal["leave-out", "refuse"], convert_option("small_classes")
    ] = _DEFAULTS.small_classes,
    pictures_per_class: Annotated[
        int, convert_option("pictures_per_class")
    ] = _DEFAULTS.pictures_per_class,
    workers: Annotated[int | None, convert_option("workers")] = None,
    overwrite: Annotated[bool, convert_option("overwrite", "--overwrite")] = False,
) -> None:
    """Turn labelled pictures into TFRecord shards, split for training and evaluation."""
    with clear_errors(f"Nothing was written to {out}."):
        from ingestion.dataset import DATASET_FILE, load_dataset
        from pipeline.cli.next_steps import as_typed, say_next
        from pipeline.local.added_pictures import change
        from pipeline.local.find_records import convert_shown, describe

        options = ConvertOptions.checked(
            layout=layout,
            breeds=names_in(breeds),
            exclude=names_in(exclude),
            per_breed=per_breed,
            split=split,
            eval_share=eval_share,
            folds=folds,
            shorter_side_px=shorter_side,
            grayscale=grayscale,
            shard_size=shard_size,
            seed=seed,
            contradictory=contradictory,
            decisions=decisions,
            max_rejected_share=max_rejected,
            min_train=min_train,
            min_eval=min_eval,
            small_classes=small_classes,
            pictures_per_class=pictures_per_class,
            workers=workers,
            overwrite=overwrite,
        )
        console = Console()
        replaced = load_dataset(out) if overwrite and (out / DATASET_FILE).is_file() else None
        dataset = convert_shown(source, out, options, console)
        console.print(
            f"Wrote {out}: {describe(dataset)}", soft_wrap=True, highlight=False, markup=False
        )
        if changed := change(replaced, dataset):
            console.print(changed, soft_wrap=True, highlight=False, markup=False)
        say_next(console, as_typed("run", "--data", out))
