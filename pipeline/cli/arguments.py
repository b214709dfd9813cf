"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ingestion.options import ConvertOptions

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Folder or archive of pictures, or records that 'dogbreed convert' wrote. "
        "Default: the built-in sample.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration in YAML: a file, or the name of a built-in one such as stanford-dogs.",
    ),
]
RunSettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one setting, as for 'dogbreed run': name=NAME or root=FOLDER.",
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="FOLDER", help="The run's folder, whatever is configured."),
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Run every node, even if nothing has changed.")
]


def convert_option(field: str, *flags: str, **kwargs: Any) -> Any:
    """Declares an option for a field of `ConvertOptions`, explained by its docstring."""
    text = " ".join((ConvertOptions.model_fields[field].description or "").split())
    return typer.Option(*flags, help=text, show_default=kwargs.pop("show_default", True), **kwargs)


def names_in(text: str) -> tuple[str, ...]:
    """Splits `a, b` into names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


_LONGEST_SLUG = 50  # characters; less than a pipeline's name allows


def overrides_of(
    data: str | None, config: Path | None, settings: Sequence[str], *, fresh: bool
) -> list[str]:
    """Converts options to overrides for `pipeline.config.load.load_config`."""
    overrides = list(settings)
    if data is not None and config is None:
        overrides.insert(0, f"name='{_name_for(data)}'")  # quoted: YAML reads "no" as false
    if fresh:
        overrides.append("cache=false")
    return overrides


def _name_for(source: str) -> str:
    """Derives a pipeline name from a source, so that other images get another folder."""
    stem = Path(source).name.split(".")[0] if not source.startswith("tfds:") else source[5:]
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower())[:_LONGEST_SLUG].strip("-")
    return slug if slug[:1].isalpha() else f"data-{slug}".rstrip("-")
