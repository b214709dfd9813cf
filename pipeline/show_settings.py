"""Lists the settings: key, value and meaning, from the configuration's own docstrings."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from pipeline.config import Config


def show_settings(config: Config, console: Console) -> None:
    """Prints one row for each setting."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Key", no_wrap=True, style="cyan")
    table.add_column("Value")
    table.add_column("Meaning")
    for key, value, meaning in _rows(config, ""):
        table.add_row(key, value, meaning)
    console.print(table, highlight=False)


def _rows(group: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            shown = "" if value is None else str(value)
            yield f"{prefix}{name}", shown, " ".join((field.description or "").split())
