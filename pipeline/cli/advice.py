"""The conversion's advice, in the options of the command that the user has typed."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, get_args, get_origin


def with_settings(message: str, option: str, own: Collection[str]) -> str:
    """Returns a message with settings in place of the options of `dogbreed convert`.

    Args:
        message: what the conversion says, such as "take --split every-5th".
        option: of this command, what sets a setting, such as `--set`.
        own: fields whose options this command has as well.
    """
    from ingestion.options import ConvertOptions, flag_of

    for name, field in ConvertOptions.model_fields.items():
        if name in own:
            continue
        values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        key = f"data.convert.{name}"
        for value in values:
            message = message.replace(f"{flag_of(name)} {value}", f"{option} {key}={value}")
        message = re.sub(rf"{flag_of(name)}(?![\w-])", f"{option} {key}=...", message)
    return message
