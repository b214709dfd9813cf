"""Hides passwords in texts that are shown or kept."""

from __future__ import annotations

import logging
import re

_HIDDEN = "***"
# user:secret@, key:secret@, token@; pathlib makes one slash of two.
_IN_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2})[^\s/?#'\"<>]+@", re.IGNORECASE)
_IN_QUERY = re.compile(
    r"([?&][\w.-]*(?:token|secret|passw(?:or)?d|sig|signature|credential|key|keyid)=)[^\s&#'\"<>]+",
    re.IGNORECASE,
)
_ON_COMMAND_LINE = re.compile(r"(--token[= ])(?:'[^']*'|\S+)")


def redacted(text: str) -> str:
    """Returns a text without the passwords, keys and tokens of addresses and of `--token`."""
    text = _IN_ADDRESS.sub(rf"\g<1>{_HIDDEN}@", text)
    text = _IN_QUERY.sub(rf"\g<1>{_HIDDEN}", text)
    return _ON_COMMAND_LINE.sub(rf"\g<1>{_HIDDEN}", text)


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:  # tracebacks included
        return redacted(super().format(record))


def log_to_standard_error(line: str = "%(asctime)s %(levelname)s %(name)s: %(message)s") -> None:
    """Sends Python's logging to standard error, each record as `line` and without passwords."""
    handler = logging.StreamHandler()
    handler.setFormatter(_RedactingFormatter(line))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
