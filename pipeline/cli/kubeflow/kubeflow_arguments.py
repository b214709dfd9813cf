"""Options of the commands that use Kubeflow Pipelines, and how they connect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.kubeflow.submit.api import Kubeflow

HostOption = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="URL",
        help="Kubeflow Pipelines' address; or set DOGBREED_KFP_HOST. A token or cookies come from "
        "DOGBREED_KFP_TOKEN or DOGBREED_KFP_COOKIES only, or from the file that "
        "KF_PIPELINES_SA_TOKEN_PATH names.",
        show_default=False,
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        envvar="DOGBREED_KFP_NAMESPACE",
        metavar="NAME",
        help="Whose runs, where Kubeflow has several users.",
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help="Certificates to trust, in PEM. Default: public authorities."
    ),
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify/--no-verify", help="Check the server's certificate. Without, anyone may listen."
    ),
]
IntervalOption = Annotated[
    float,
    typer.Option("--interval", min=0.1, metavar="SECONDS", help="Time between two looks."),
]


def connect(host: str | None, namespace: str | None, ca: Path | None, verify: bool) -> Kubeflow:
    """Connects to Kubeflow Pipelines and checks that it answers.

    Raises:
        UserError: it is unreachable, too old, or denies access.
    """
    from pipeline.kubeflow.submit.api import Kubeflow
    from pipeline.kubeflow.submit.client import ApiClient
    from pipeline.kubeflow.submit.connection import Connection, address_from

    kubeflow = Kubeflow(ApiClient(Connection(address_from(host), namespace, ca, verify)))
    kubeflow.check()
    return kubeflow
