"""What a served version was made of, so that a push can tell whether it has happened already."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from foundation.errors import UserError
from foundation.fingerprint import digest, fingerprint
from foundation.names import NO_VERSION
from foundation.versions import EXTRA_DIR, newest_version, read_about

SERVED_ALREADY = "is this model already: nothing is pushed"
"""What the Pusher's log says then."""
_FILE = EXTRA_DIR / "pushed.json"


@dataclass(frozen=True)
class Identity:
    """Hashes of a pushed model and of what it was made from."""

    model: str
    """Of all files of the model, as the Trainer left them."""
    recipe: str | None
    """Of everything that decides the model; None for a model from elsewhere."""
    data: str | None
    """Of the records; None for a model from elsewhere."""


def identity_of(model_path: Path) -> Identity:
    """Computes the identity of a model that is to be pushed."""
    files = sorted(path for path in model_path.rglob("*") if path.is_file())
    about = read_about(model_path)
    return Identity(
        model=fingerprint(
            [(str(path.relative_to(model_path)), digest(path.read_bytes())) for path in files]
        ),
        recipe=about.get("recipe"),
        data=about.get("data"),
    )


def write_identity(version_path: Path, identity: Identity) -> None:
    """Writes the identity into a version before it is published."""
    path = version_path / _FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(identity), indent=2), encoding="utf-8")


def read_identity(version_path: Path) -> Identity | None:
    """Reads the identity; None where the version has none, or it is malformed."""
    try:
        return Identity(**json.loads((version_path / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def find_pushed(base_path: Path, identity: Identity, compared_with: str | None) -> int | None:
    """Returns the served version if it is this model already, or None if it may be replaced.

    A run that reuses results is compared with the newest version of another recipe. If the served
    one has its own, an earlier attempt pushed it, and its record was lost; the weights may differ
    in rounding. A run that is compared with a version of its own recipe may replace that.

    Args:
        base_path: the folder of the versions.
        identity: of the model that is to be pushed.
        compared_with: version that the Evaluator compared with, or `none`; None if unknown.

    Raises:
        UserError: another version is served than the one that the model was compared with.
    """
    served = newest_version(base_path)
    if served is not None:
        there = read_identity(base_path / str(served))
        if there == identity:
            return served
    if compared_with is None or compared_with == (NO_VERSION if served is None else str(served)):
        return None
    if served is None:
        raise UserError(
            f"Version {compared_with}, which this model was compared with, has gone from "
            f"{base_path} meanwhile: run again."
        )
    if identity.recipe and read_about(base_path / str(served)).get("recipe") == identity.recipe:
        return served
    what = "no other" if compared_with == NO_VERSION else f"version {compared_with}"
    raise UserError(
        f"Version {served} was pushed to {base_path} meanwhile, and this model was compared with "
        f"{what}: it is not pushed. Run again to compare it with version {served}."
    )
