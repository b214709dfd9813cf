"""Command `dogbreed predict`: classifies images with a model server."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
import warnings
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from foundation.errors import UsageError
from foundation.exit_codes import ExitCode
from pipeline.cli.app import app, clear_errors
from pipeline.cli.serving.client_arguments import (
    CaOption,
    CertOption,
    KeyOption,
    LabelOption,
    MetadataOption,
    ModelOption,
    ServerNameOption,
    ServerOption,
    TimeoutOption,
    TlsOption,
    TokenOption,
    VersionOption,
    WaitOption,
    client_errors,
    client_options,
)
from serving.client.options import DEFAULT_MODEL, DEFAULT_SERVER, ClientOptions
from serving.client.prediction import Prediction

if TYPE_CHECKING:
    from pipeline.cli.serving.predictions import PredictionWriter
    from serving.client.load import Source


@dataclass
class _Tally:
    num_named: int = 0
    num_unsure: int = 0
    num_unknown: int = 0
    num_failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)

    def add(self, prediction: Prediction) -> None:
        if prediction.error is not None:
            self.num_failed += 1
        elif prediction.certainty == "unknown":
            self.num_unknown += 1
        elif prediction.certainty == "unsure":
            self.num_unsure += 1
        else:
            self.num_named += 1
        if prediction.latency_ms is not None:
            self.latencies_ms.append(prediction.latency_ms)
        if prediction.version is not None:
            self.versions.add(prediction.version)


def predict_all(
    sources: Sequence[Source],
    options: ClientOptions,
    writer: PredictionWriter,
    notes: Console,
    *,
    wait_s: float = 0.0,
) -> int:
    """Predicts all images, writes each result as it arrives, and progress to `notes`.

    Waits up to `wait_s` seconds for a server that is starting or loading the model.

    Returns:
        The number of images without an answer.

    Raises:
        ClientError: no call can succeed.
    """
    from PIL import Image

    # Pillow warns from 89 megapixels; too large images are errors of their own.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    tally = _Tally()
    started_at = time.perf_counter()
    try:
        asyncio.run(_interruptible(_predict(sources, options, writer, notes, tally, wait_s)))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    _summarise(tally, options, time.perf_counter() - started_at, notes)
    return tally.num_failed


async def _interruptible(predicting: Coroutine[Any, Any, None]) -> None:
    """Cancels the work on an interrupt, as asyncio does from Python 3.11 on.

    Before, the interrupt may strike between a coroutine and its task.
    """
    task = asyncio.ensure_future(predicting)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    await task


async def _predict(
    sources: Sequence[Source],
    options: ClientOptions,
    writer: PredictionWriter,
    notes: Console,
    tally: _Tally,
    wait_s: float,
) -> None:
    # Two consoles on the same terminal would mix rows into the progress bar.
    from serving.client.async_client import AsyncBreedClient

    console = writer.console if writer.console.is_terminal else notes
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not notes.is_terminal or len(sources) <= options.batch_size,
    )
    async with AsyncBreedClient(options) as client:
        if wait_s:
            with notes.status(f"Waiting for the model server at {options.server}"):
                await client.wait_until_served(wait_s)
        with progress:
            task = progress.add_task("Pictures", total=len(sources))
            async for prediction in client.predict_many(sources):
                writer.write(prediction)
                tally.add(prediction)
                progress.advance(task)


def _summarise(tally: _Tally, options: ClientOptions, elapsed_s: float, notes: Console) -> None:
    parts = [f"{_counted(tally.num_named)} named in {elapsed_s:.2f} s"]
    if tally.num_unsure:
        parts.append(f"{tally.num_unsure} unsure")
    if tally.num_unknown:
        parts.append(f"{tally.num_unknown} not known")
    if tally.num_failed:
        parts.append(f"[bold red]{tally.num_failed} failed[/]")
    if tally.latencies_ms:
        median, slowest = statistics.median(tally.latencies_ms), max(tally.latencies_ms)
        parts.append(f"a call took {median:.0f} ms in the middle, {slowest:.0f} ms at most")
    if tally.versions:
        versions = " and ".join(str(version) for version in sorted(tally.versions))
        parts.append(f"model {options.model}, version {versions}")
    notes.print("; ".join(parts) + ".", soft_wrap=True, highlight=False)


def _counted(number: int) -> str:
    return f"{number} picture" if number == 1 else f"{number} pictures"


@app.command()
def predict(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE",
            help="Files, folders, patterns in quotes ('dogs/**/*.jpg'), http(s) addresses, or - "
            "for one picture from standard input.",
            show_default=False,
        ),
    ] = None,
    from_list: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="More pictures, named in a file, one a line; - is standard input."
        ),
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    model: ModelOption = DEFAULT_MODEL,
    version: VersionOption = None,
    label: LabelOption = None,
    top: Annotated[
        int, typer.Option(min=1, metavar="K", help="Breeds a picture, as far as the model names.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures a call.")] = 8,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Calls at the same time.")
    ] = 4,
    timeout: TimeoutOption = 30.0,
    wait: WaitOption = 0.0,
    shrink: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="PX",
            help="Scale pictures down to PX on the shorter side before they are sent, which may "
            "alter probabilities a little. Default: send them whole.",
        ),
    ] = None,
    tls: TlsOption = False,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = None,
    token: TokenOption = None,
    metadata: MetadataOption = None,
) -> None:
    """Name the breeds in pictures: ask a model server over gRPC."""
    with clear_errors("What was printed so far stands."):
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its messages repeat our errors
        with client_errors():
            from pipeline.cli.serving.predictions import writer_for

            options = client_options(
                server=server, model=model, version=version, label=label, top=top,
                batch_size=batch_size, concurrency=concurrency, timeout_s=timeout,
                shrink_px=shrink, token=token, metadata=metadata,
                tls=tls, ca=ca, cert=cert, key=key, server_name=server_name,
            )  # fmt: skip
            sources = _sources(pictures or [], from_list)
            writer = writer_for(_format(as_json, as_csv), top, sources)
            failed = predict_all(sources, options, writer, Console(stderr=True), wait_s=wait)
        if failed:
            raise typer.Exit(ExitCode.FAILED)


def _format(as_json: bool, as_csv: bool) -> str:
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other: give one of them.")
    return "json" if as_json else "csv" if as_csv else "table"


def _sources(pictures: list[str], from_list: Path | None) -> list[Source]:
    from serving.client.expand import STDIN, expand, read_list

    if from_list is not None:
        if str(from_list) == STDIN and STDIN in pictures:
            raise UsageError("Standard input is either a picture or a list of them, not both.")
        pictures = [*pictures, *read_list(str(from_list))]
    if not pictures:
        raise UsageError("No pictures were named: give files, folders, addresses or --from-list.")
    return list(expand(pictures))
