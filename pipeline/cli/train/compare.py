"""`dogbreed compare`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.cli.app import ExitCode, app, clear_errors
from pipeline.cli.arguments import ConfigOption, DataOption, FreshOption, overrides_of

if TYPE_CHECKING:
    from pipeline.config.config import Config
    from pipeline.local.compare import Result


@app.command()
def compare(
    variants: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="'KEY=VALUE ...'",
            help="One variant: the settings it has to itself, with blanks between them, such as "
            "'trainer.optimizer=sgd trainer.learning_rate=0.1'. Repeat it for every variant; an "
            "empty one is the configuration as it stands.",
        ),
    ],
    common: Annotated[
        list[str] | None,
        typer.Option(
            "--common",
            metavar="KEY=VALUE",
            help="Override one setting for all variants; may be repeated.",
        ),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="The picture of the curves (.png, .svg or .pdf); the figures go beside it as "
            ".csv. Default: comparisons/DATE-TIME below the run's root.",
        ),
    ] = None,
    fresh: FreshOption = False,
) -> None:
    """Train variants on the same data, and draw their accuracy over steps in one picture."""
    with clear_errors("Run the same command again: variants that have ended are reused."):
        from pipeline.cli.train.report_comparison import report_comparison, write_comparison
        from pipeline.local.compare import Failed
        from pipeline.local.compare import compare as compare_variants
        from pipeline.local.variants import read_variants

        overrides = overrides_of(data, config, common or [], fresh=fresh)
        chosen = read_variants(variants, overrides, config, source=data)
        picture = _picture(out, chosen[0].config)
        title = f"{chosen[0].config.name}: {len(chosen)} variants"

        def keep(results: list[Result]) -> None:
            write_comparison(results, title, picture)

        console = Console()
        results = compare_variants(chosen, console, keep)
        report_comparison(results, picture, console)
        if any(isinstance(result, Failed) for result in results):
            raise typer.Exit(ExitCode.FAILED)


_SUFFIXES = (".png", ".svg", ".pdf")


def _picture(out: Path | None, config: Config) -> Path:
    """Returns where to draw, with its folder made; found wrong before hours of training."""
    from foundation.errors import UserError

    if out is not None and (out.suffix not in _SUFFIXES or out.is_dir()):
        raise UserError(f"--out wants a file that ends in {', '.join(_SUFFIXES)}, got '{out}'.")
    started_at = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    picture = out or config.root_path / "comparisons" / started_at / "comparison.png"
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{picture.parent} cannot be written: {error.strerror}.") from None
    return picture
