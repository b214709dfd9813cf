"""Command `dogbreed settings`: lists all settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
import yaml
from rich.console import Console
from rich.table import Table

from foundation.redact import redacted
from foundation.settings import Settings
from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pipeline.config.config import Config


def show_settings(config: Config, console: Console) -> None:
    """Prints a row for each setting."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Key", no_wrap=True, style="cyan")
    table.add_column("Value", overflow="fold")
    table.add_column("Meaning")
    for key, value, meaning in _rows(config, ""):
        table.add_row(key, value, meaning)
    console.print(table, highlight=False)


def _rows(group: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    from pydantic import BaseModel

    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{prefix}{name}.")
            continue
        meaning = " ".join((field.description or "").split())
        yield f"{prefix}{name}", _shown(value), meaning
        # A group that is switched off is listed with its defaults.
        for kind in get_args(field.annotation) if value is None else ():
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _rows(kind(), f"{prefix}{name}.")


def _shown(value: Any) -> str:
    if isinstance(value, dict):  # as YAML
        settings = {
            key: each.model_dump(exclude_unset=True) if isinstance(each, Settings) else each
            for key, each in value.items()
        }
        written = yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, width=1000)
        return str(written).strip()
    return "" if value is None else redacted(str(value))


@app.command("settings")
def list_settings(
    config: ConfigOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="With one setting changed: trainer.network=transfer lists that network's own.",
        ),
    ] = None,
) -> None:
    """List every setting with its value and meaning, as for --set and configuration files."""
    with clear_errors(""):
        from pipeline.config.load import load_config

        show_settings(load_config(config, settings or []), Console())
