"""`dogbreed`: the command line. Heavy imports wait until a command needs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from datasets.errors import DatasetError
from datasets.options import ConvertOptions, LayoutName, SplitName
from pipeline.errors import UserError


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    FAILED = 1
    NOT_BLESSED = 3
    INTERRUPTED = 130


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""From a folder of labelled dog pictures to a model that answers.

    Start with [bold]dogbreed run[/]: it draws sample pictures, trains on them and pushes a model.
    [bold]dogbreed run --data PATH[/] does the same with pictures of yours.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not pushed because a bound was missed,
    130 interrupted.""",
)


def main() -> None:
    """Entry point of the `dogbreed` command."""
    app()


@app.command()
def run(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Folder or archive of pictures, or records that 'dogbreed convert' wrote. "
            "Default: the built-in sample.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Configuration in YAML, such as configs/stanford-dogs.yaml."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one setting, such as trainer.epochs=5; may be repeated. "
            "'dogbreed settings' lists all.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every node, even if nothing has changed.")
    ] = False,
) -> None:
    """Run the whole pipeline on this machine: pictures in, pushed model out."""
    with _clear_errors("Run the same command again to go on from the last finished node."):
        from pipeline.load_config import load_config
        from pipeline.report_run import report_run
        from pipeline.run import run as run_pipeline

        console = Console()
        overrides = list(settings or [])
        if data is not None and config is None:
            overrides.insert(0, f"name='{_name_for(data)}'")  # quoted: a folder may be called no
        if fresh:
            overrides.append("cache=false")
        loaded = load_config(config, overrides, source=data)
        finished = run_pipeline(loaded, console)
        report_run(loaded, finished, console)
        if not finished.outcome.pushed_path:
            raise typer.Exit(ExitCode.NOT_BLESSED)


def _option(field: str, *flags: str, **kwargs: Any) -> Any:
    """An option of `convert`, with the help text of the `ConvertOptions` field behind it."""
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
    max_rejected: Annotated[
        float, _option("max_rejected_share", metavar="SHARE")
    ] = _DEFAULTS.max_rejected_share,
    min_train: Annotated[int, _option("min_train")] = _DEFAULTS.min_train,
    min_eval: Annotated[int, _option("min_eval")] = _DEFAULTS.min_eval,
    pictures_per_class: Annotated[
        int, _option("pictures_per_class")
    ] = _DEFAULTS.pictures_per_class,
    workers: Annotated[int | None, _option("workers")] = None,
    overwrite: Annotated[bool, _option("overwrite", "--overwrite")] = False,
) -> None:
    """Turn labelled pictures into TFRecord shards, split for training and evaluation."""
    with _clear_errors(f"Nothing was written to {out}."):
        from pipeline.data import convert_shown, describe
        from pipeline.report_run import as_typed

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
            max_rejected_share=max_rejected,
            min_train=min_train,
            min_eval=min_eval,
            pictures_per_class=pictures_per_class,
            workers=workers,
            overwrite=overwrite,
        )
        console = Console()
        dataset = convert_shown(source, out, options, console)
        console.print(f"Wrote {out}: {describe(dataset)}", soft_wrap=True, highlight=False)
        console.print(
            f"Next:\n  {as_typed('dogbreed')} run --data {out}", soft_wrap=True, highlight=False
        )


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the archive.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other pictures.")] = 0,
    per_breed: Annotated[int, typer.Option(min=1, help="Pictures of each breed.")] = 100,
) -> None:
    """Draw the sample, "toy dogs": an archive of small pictures laid out like Stanford Dogs."""
    with _clear_errors(f"Nothing was written to {directory}."):
        from pipeline.data import draw_shown
        from pipeline.report_run import as_typed

        console = Console()
        archive = draw_shown(directory, seed, per_breed, console)
        console.print(f"Wrote {archive}", soft_wrap=True, highlight=False)
        console.print(
            f"Next:\n  {as_typed('dogbreed')} convert {archive} {directory / 'records'}",
            soft_wrap=True,
            highlight=False,
        )


@app.command()
def settings(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show the values in this configuration.")
    ] = None,
) -> None:
    """List every setting with its value and meaning, as for --set and configuration files."""
    with _clear_errors(""):
        from pipeline.load_config import load_config
        from pipeline.show_settings import show_settings

        show_settings(load_config(config), Console())


_LONGEST_SLUG = 50  # characters; leaves room within what a pipeline's name may have


def _name_for(source: str) -> str:
    """Makes a pipeline name of a source, so that other pictures get a folder of their own."""
    stem = Path(source).name.split(".")[0] if not source.startswith("tfds:") else source[5:]
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower())[:_LONGEST_SLUG].strip("-")
    return slug if slug[:1].isalpha() else f"data-{slug}".rstrip("-")


@contextmanager
def _clear_errors(after_interrupt: str) -> Iterator[None]:
    """Ends the command with one clear line where the user can put things right."""
    try:
        yield
    except (UserError, DatasetError) as error:
        _complain(f"[bold red]Error:[/] {_escaped(str(error))}")
        raise typer.Exit(ExitCode.FAILED) from None
    except OSError as error:  # a disk that is full or gone, wherever that shows first
        where = f": {error.filename}" if error.filename else ""
        _complain(f"[bold red]Error:[/] {_escaped(f'{error.strerror or error}{where}')}")
        raise typer.Exit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        _complain(f"[bold red]Interrupted.[/] {_escaped(after_interrupt)}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _complain(markup: str) -> None:
    Console(stderr=True, highlight=False).print(markup, soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
