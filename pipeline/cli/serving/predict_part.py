"""Has a model server name the breeds of many pictures, and shows how that goes."""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
import warnings
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.serving.predictions import PredictionWriter
from serving.client.async_client import AsyncBreedClient
from serving.client.options import ClientOptions
from serving.client.prediction import Prediction
from serving.client.source import Source


@dataclass
class _Tally:
    """What became of all pictures."""

    num_named: int = 0
    num_failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)

    def add(self, prediction: Prediction) -> None:
        if prediction.error is None:
            self.num_named += 1
        else:
            self.num_failed += 1
        if prediction.latency_ms is not None:
            self.latencies_ms.append(prediction.latency_ms)
        if prediction.version is not None:
            self.versions.add(prediction.version)


def predict_all(
    sources: Sequence[Source],
    options: ClientOptions,
    writer: PredictionWriter,
    notes: Console,
) -> int:
    """Predicts, and writes each result as it comes.

    Args:
        sources: the pictures.
        options: server, model and limits.
        writer: where results go.
        notes: where progress and the summary go, on standard error.

    Returns:
        How many pictures have no answer.

    Raises:
        ClientError: no call can succeed.
    """
    # Pillow warns of pictures from 89 megapixels; those that are too large are errors of their own.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    tally = _Tally()
    started_at = time.perf_counter()
    try:
        asyncio.run(_interruptible(_predict(sources, options, writer, notes, tally)))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    _summarise(tally, options, time.perf_counter() - started_at, notes)
    return tally.num_failed


async def _interruptible(predicting: Coroutine[Any, Any, None]) -> None:
    """Has an interrupt end the work where it waits, as asyncio does from Python 3.11 on.

    Before, it comes wherever Python is at, also between a coroutine and the task that is to run it.
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
) -> None:
    # Where both are the same terminal, one console must draw both, or rows would cut into the bar.
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
        with progress:
            task = progress.add_task("Pictures", total=len(sources))
            async for prediction in client.predict_many(sources):
                writer.write(prediction)
                tally.add(prediction)
                progress.advance(task)


def _summarise(tally: _Tally, options: ClientOptions, elapsed_s: float, notes: Console) -> None:
    parts = [f"{_counted(tally.num_named)} named in {elapsed_s:.2f} s"]
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
