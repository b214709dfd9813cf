"""Chooses the images of a report: confident, wrong and confused answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from components.evaluator.results.values import Answer, Confusion

_PICTURES = 12
_OF_A_BREED = 2
_PAIRS = 30
_OF_A_PAIR = 3


@dataclass(frozen=True)
class ChosenGallery:
    """A gallery before its images are read."""

    title: str
    meaning: str
    answers: tuple[Answer, ...]
    is_explained: bool
    """Whether to add heat maps."""


@dataclass(frozen=True)
class ChosenPair:
    """Two confused breeds before their images are read."""

    truth: str
    named: str
    count: int
    share: float
    answers: tuple[Answer, ...]


def choose_galleries(answers: Sequence[Answer]) -> tuple[ChosenGallery, ...]:
    """Chooses the non-empty galleries of at most 12 images, at most two of them of one breed.

    The result does not depend on the order of the answers.
    """
    right = [answer for answer in answers if _named(answer) == answer.breed]
    wrong = [answer for answer in answers if _named(answer) != answer.breed]
    sure_and_wrong = _first(wrong, lambda answer: -_confidence(answer))
    shown = set(sure_and_wrong)
    worst = _first(
        (answer for answer in wrong if answer not in shown),
        lambda answer: answer.truth_probability,
    )
    shown.update(worst)
    undecided = _first((answer for answer in answers if answer not in shown), _lead)
    galleries = (
        ChosenGallery(
            "Surest and right",
            "Right answers with the highest probability.",
            _first(right, lambda answer: -_confidence(answer)),
            is_explained=False,
        ),
        ChosenGallery(
            "Surest and wrong",
            "Wrong answers with the highest probability: where the model was most surprised.",
            sure_and_wrong,
            is_explained=True,
        ),
        ChosenGallery(
            "Worst",
            "Besides those, pictures whose true breed got the lowest probability.",
            worst,
            is_explained=True,
        ),
        ChosenGallery(
            "Undecided",
            "Pictures whose two most probable breeds were closest to each other.",
            undecided,
            is_explained=False,
        ),
    )
    return tuple(gallery for gallery in galleries if gallery.answers)


def choose_pairs(confusion: Confusion, answers: Iterable[Answer]) -> tuple[ChosenPair, ...]:
    """Chooses the 30 most frequent confusions, each with its three most confident images."""
    totals = [sum(row) for row in confusion.counts]
    frequent = sorted(
        (-count, -count / totals[truth], truth, named)
        for truth, row in enumerate(confusion.counts)
        for named, count in enumerate(row)
        if count and truth != named
    )[:_PAIRS]
    mixed_up: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if _named(answer) != answer.breed:
            mixed_up[answer.breed, _named(answer)].append(answer)
    pairs = []
    for minus_count, minus_share, truth, named in frequent:
        breeds = confusion.breeds[truth], confusion.breeds[named]
        surest = sorted(mixed_up[breeds], key=lambda each: (-_confidence(each), each.filename))
        pairs.append(ChosenPair(*breeds, -minus_count, -minus_share, tuple(surest[:_OF_A_PAIR])))
    return tuple(pairs)


def _first(answers: Iterable[Answer], key: Callable[[Answer], float]) -> tuple[Answer, ...]:
    """Takes the answers with the lowest key, and not too many of one breed."""

    def varied() -> Iterator[Answer]:
        taken: Counter[str] = Counter()
        for answer in sorted(answers, key=lambda each: (key(each), each.filename, each.breed)):
            taken[answer.breed] += 1
            if taken[answer.breed] <= _OF_A_BREED:
                yield answer

    return tuple(islice(varied(), _PICTURES))


def _named(answer: Answer) -> str:
    return answer.guesses[0][0]


def _confidence(answer: Answer) -> float:
    return answer.guesses[0][1]


def _lead(answer: Answer) -> float:
    """Returns the margin between the two most probable breeds."""
    return answer.guesses[0][1] - (answer.guesses[1][1] if len(answer.guesses) > 1 else 0)
