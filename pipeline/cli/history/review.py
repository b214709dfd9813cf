"""Command `dogbreed review`: lists the labels of a run that are probably wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.cli.arguments import ConfigOption, RootOption, RunSettingsOption
from pipeline.cli.next_steps import as_typed, say_next

if TYPE_CHECKING:
    from components.review.suspects import Suspect
    from ingestion.decisions import Decision
    from pipeline.history.reviewed_run import ReviewedRun

SUSPECTS_FILE = "suspects.csv"
REVIEW_FILE = "review.html"


@app.command()
def review(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Which run's data, as 'dogbreed history' numbers them; 'last-1' is the one before "
            "the last. Default: the last that was evaluated.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    settings: RunSettingsOption = None,
    root: RootOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Where to write the page and the table. Default: 'review' in the run's folder.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="List the N most doubtful.")
    ] = 300,
) -> None:
    """List labels that are probably wrong, to be mended before the next run.

    A label is doubted where the model is surer of another breed than it usually is of that breed's
    own pictures (confident learning); a picture, where the model finds it unlike any breed, or
    where the audit found it contradictory, much like a picture of another breed, or nothing to
    learn from. The most doubtful come first.

    It leaves [bold]review.html[/], to click through by mouse or keyboard, and the same as
    [bold]suspects.csv[/], whose column "decision" takes keep, drop, relabel:BREED or new:BREED.
    [bold]--set data.convert.decisions=FILE[/] applies either's decisions in the next run.

    A model can say this only of pictures that it has not learned from: those kept for evaluation,
    or all of them after [bold]dogbreed run --folds 5[/].
    """
    with clear_errors("Nothing was changed."):
        from pipeline.history.choose_run import find_root
        from pipeline.history.read_runs import read_history
        from pipeline.history.reviewed_run import find_reviewed_run

        folder = find_root(root, config, settings or [])
        reviewed = find_reviewed_run(read_history(folder.root, folder.push_path), run)
        _review(reviewed, out or folder.root / "review", limit, Console())


def _review(reviewed: ReviewedRun, out: Path, limit: int, console: Console) -> None:
    from components.evaluator.results.answer_table import read_answer_table
    from components.review.page import render_review
    from components.review.pictures import read_pictures
    from components.review.suspects import list_suspects, write_suspects
    from ingestion.dataset import DECISIONS_FILE
    from ingestion.decisions import read_decisions

    dataset, table = reviewed.dataset, out / SUSPECTS_FILE
    tables = [read_answer_table(evaluation) for evaluation in reviewed.evaluations]
    applied = dataset.path / DECISIONS_FILE
    decided = read_decisions(applied) if applied.is_file() else {}
    pending = read_decisions(table) if table.is_file() else {}
    found = list_suspects(dataset, tables, decided)
    suspects = found[:limit]
    for suspect in suspects:
        suspect.decision = pending.pop(suspect.file_name, None)
    earlier = {**decided, **pending}
    pictures = read_pictures(dataset, [suspect.file_name for suspect in suspects])
    out.mkdir(parents=True, exist_ok=True)
    write_suspects(table, suspects, earlier)
    title = f"run {reviewed.run.number} on {dataset.source}"
    page = render_review(title, dataset.fingerprint, suspects, pictures, dataset.labels, earlier)
    (out / REVIEW_FILE).write_text(page, encoding="utf-8")
    _report(reviewed, found, limit, earlier, out, console)


def _report(
    reviewed: ReviewedRun,
    found: Sequence[Suspect],
    limit: int,
    earlier: Mapping[str, Decision],
    out: Path,
    console: Console,
) -> None:
    total = sum(split.num_examples for split in reviewed.dataset.splits.values())
    kinds = Counter(suspect.reasons[0].kind for suspect in found)
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    lines = [f"{len(found):,} of {total:,} labels are doubtful{f': {listed}' if listed else ''}."]
    if len(found) > limit:
        lines.append(f"The {limit:,} most doubtful are listed; --limit lists more.")
    if earlier:
        lines.append(f"{len(earlier):,} decisions of before are kept.")
    if reviewed.num_answered < total:
        lines.append(
            f"The model was asked about the {reviewed.num_answered:,} that it has not learned "
            "from; after 'dogbreed run --folds 5' it is asked about all."
        )
    lines += [
        f"  page   {out / REVIEW_FILE}",
        f"  table  {out / SUSPECTS_FILE}",
        "Decide on the page, which saves decisions.csv, or in the table.",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
    say_next(console, _next_command(reviewed))


_DECISIONS_SETTING = re.compile(
    r" --set ('data\.convert\.decisions=[^']*'|data\.convert\.decisions=\S*)"
)


def _next_command(reviewed: ReviewedRun) -> str:
    """Returns the command that applies decisions: that of the run, where it converts pictures."""
    dataset, command = reviewed.dataset, reviewed.run.command_line or ""
    source = reviewed.run.configuration.get("data", {}).get("source")
    if source is not None and Path(source).resolve() == dataset.path.resolve():
        return as_typed("convert", dataset.source, "FOLDER", "--decisions", "decisions.csv")
    if not command.startswith("dogbreed run"):
        command = "dogbreed run ..."
    command = _DECISIONS_SETTING.sub("", command).removeprefix("dogbreed")
    return f"{as_typed()}{command} --set data.convert.decisions=decisions.csv"
