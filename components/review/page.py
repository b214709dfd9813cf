"""Renders the suspects as one self-contained HTML page on which people decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from components.report.page.formats import content_security_policy
from components.report.page.page import environment, read_part
from components.report.pictures.thumbnails import thumbnail
from components.review.suspects import Suspect
from ingestion.decisions import Decision

_TEMPLATES = Path(__file__).with_name("templates")
_SIDE_PX = 280  # a breed is told apart by less than what the report's thumbnails show


def render_review(
    title: str,
    key: str,
    suspects: Sequence[Suspect],
    pictures: Mapping[str, bytes],
    breeds: Sequence[str],
    earlier: Mapping[str, Decision],
) -> str:
    """Renders the page as an HTML document, to be written as UTF-8.

    Args:
        title: what was looked at.
        key: under which the browser remembers decisions until they are saved.
        suspects: in the order in which they are shown.
        pictures: JPEG by file name; for what is missing, the page says so.
        breeds: what a picture can be relabelled to without a word of warning.
        earlier: decisions that the page adds to those it saves.
    """
    scripts = [read_part("theme.js"), _read("review.js")]
    styles = [*map(read_part, ("page.css", "parts.css")), _read("review.css")]
    return (
        environment(_TEMPLATES)
        .get_template("review.html")
        .render(
            title=title,
            key=key,
            suspects=suspects,
            thumbnails={name: thumbnail(jpeg, _SIDE_PX) for name, jpeg in pictures.items()},
            breeds=breeds,
            earlier={name: str(decision) for name, decision in earlier.items()},
            style=Markup("\n".join(styles)),
            scripts=[Markup(script) for script in scripts],
            policy=content_security_policy(scripts),
        )
    )


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
