"""Command `dogbreed convert`: converts images to TFRecord."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from ingestion.options import ConvertOptions, LayoutName, SplitName
from pipeline.cli.app import app, clear_errors


def _option(field: str, *flags: str, **kwargs: Any) -> Any:
    text = " ".join((ConvertOptions.model_fields[field].description or "").split())
    return typer.Option(*flags, help=text, show_default=kwargs.pop("show_default", True), **kwargs)


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
    layout: Annotated[LayoutName, _option("layout")] = _DEFAULTS.layout,
    breeds: Annotated[str, _option("breeds", metavar="A,B,...", show_default=False)] = "",
    per_breed: Annotated[int | None, _option("per_breed")] = None,
    split: Annotated[SplitName, _option("split")] = _DEFAULTS.split,
    eval_share: Annotated[float, _option("eval_share")] = _DEFAULTS.eval_share,
    folds: Annotated[int | None, _option("folds")] = None,
    shorter_side: Annotated[
        int, _option("shorter_side_px", metavar="PIXELS")
    ] = _DEFAULTS.shorter_side_px,
    grayscale: Annotated[bool, _option("grayscale", "--grayscale")] = False,
    shard_size: Annotated[int | None, _option("shard_size", metavar="EXAMPLES")] = None,
    seed: Annotated[int, _option("seed")] = _DEFAULTS.seed,
    contradictory: Annotated[
        Literal["reject", "keep"], _option("contradictory")
    ] = _DEFAULTS.contradictory,
    decisions: Annotated[Path | None, _option("decisions", metavar="FILE")] = None,
    max_rejected: Annotated[
        float, _option("max_rejected_share", metavar="SHARE")
    ] = _DEFAULTS.max_rejected_share,
    min_train: Annotated[int, _option("min_train")] = _DEFAULTS.min_train,
    min_eval: Annotated[int, _option("min_eval")] = _DEFAULTS.min_eval,
    small_classes: Annotated[
        Literal["leave-out", "refuse"], _option("small_classes")
    ] = _DEFAULTS.small_classes,
    pictures_per_class: Annotated[
        int, _option("pictures_per_class")
    ] = _DEFAULTS.pictures_per_class,
    workers: Annotated[int | None, _option("workers")] = None,
    overwrite: Annotated[bool, _option("overwrite", "--overwrite")] = False,
) -> None:
    """Turn labelled pictures into TFRecord shards, split for training and evaluation."""
    with clear_errors(f"Nothing was written to {out}."):
        from pipeline.cli.next_steps import as_typed, say_next
        from pipeline.local.find_records import convert_shown, describe

        options = ConvertOptions.checked(
            layout=layout,
            breeds=tuple(name.strip() for name in breeds.split(",") if name.strip()),
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
        dataset = convert_shown(source, out, options, console)
        console.print(
            f"Wrote {out}: {describe(dataset)}", soft_wrap=True, highlight=False, markup=False
        )
        say_next(console, as_typed("run", "--data", out))
