"""Selects the classes and images of a source that take part, and names the classes."""

from __future__ import annotations

import difflib
import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from foundation.errors import DatasetError
from ingestion.options import ConvertOptions

_NUM_SHOWN = 5


class Rejects:
    """Collects rejected files, up to a share of all images in [0, 1]."""

    def __init__(self, num_pictures: int, max_share: float) -> None:
        self._num_pictures = num_pictures
        self._max_share = max_share
        self.reasons: list[tuple[str, str]] = []
        """File name and reason, in the order of the source."""

    def add(self, file_name: str, reason: str) -> None:
        """Adds a rejected file; undecodable bytes of its name are surrogate escapes.

        Raises:
            DatasetError: more than the allowed share is rejected.
        """
        self.reasons.append((file_name, reason))
        num_rejected = len(self.reasons)
        if num_rejected > self._max_share * self._num_pictures:
            listed = "; ".join(f"{shown(name)}: {why}" for name, why in self.reasons[:_NUM_SHOWN])
            raise DatasetError(
                f"{num_rejected} of {self._num_pictures} pictures "
                f"({num_rejected / self._num_pictures:.1%}) cannot be used so far, more than the "
                f"{self._max_share:.1%} that --max-rejected allows: {listed}"
                f"{'; …' if num_rejected > _NUM_SHOWN else ''}."
            )

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yields file and reason, sorted, printable in UTF-8."""
        for file_name, reason in sorted(self.reasons):
            yield shown(file_name), shown(reason)


def shown(name: str) -> str:
    r"""Returns a file name printable in UTF-8: undecodable bytes become \xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_WORDNET_ID = re.compile(r"^n\d{8}-")


def readable_breed(class_name: str) -> str:
    """Returns the readable name of a class.

    For "n02085620-Chihuahua" that is "Chihuahua", for "shiba_inu" it is "shiba inu": without
    WordNet's ID, with spaces for underscores, on one line.
    """
    name = _WORDNET_ID.sub("", printable(class_name)).replace("_", " ")
    return " ".join(unicodedata.normalize("NFC", name).split()) or printable(class_name)


def printable(name: str) -> str:
    """Returns a name printable in UTF-8: undecodable bytes become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True)
class Catalogue:
    """The selected classes, and the random draw of their images."""

    labels: tuple[str, ...]
    """Readable class names, sorted; the index is the integer label."""
    num_pictures: Counter[int]
    """Number of selected images, by label."""
    left_out: dict[str, int]
    """Number of images of the classes too small to split, by readable name."""
    _by_class_name: dict[str, int]
    _thresholds: dict[int, int] = field(default_factory=dict)
    _per_breed: int | None = None
    _seed: int = 0

    def label(self, class_name: str, file_name: str) -> int | None:
        """Returns the label of an image, or None if it does not take part."""
        label = self._by_class_name.get(class_name)
        if label is not None and self._per_breed is not None:
            draw = _draw(self._seed, class_name, file_name)
            if draw > self._thresholds[label]:
                return None
        return label


def make_catalogue(
    names: Iterable[tuple[str, str]], options: ConvertOptions, source: str
) -> Catalogue:
    """Counts the images of each class and applies `breeds` and `per_breed`.

    Args:
        names: class and file name of every image.
        options: the selection.
        source: name of the source, for messages.

    Raises:
        DatasetError: no images, fewer than two classes, an unknown class, or a class too small to
            split that must not be left out.
    """
    counts: Counter[str] = Counter()
    draws: defaultdict[str, list[int]] = defaultdict(list)
    for class_name, file_name in names:
        counts[class_name] += 1
        if options.per_breed is not None:
            _keep_smallest(
                draws[class_name], _draw(options.seed, class_name, file_name), options.per_breed
            )
    if not counts:
        raise DatasetError(f"{source} holds no pictures.")
    text = readable_names(counts)
    chosen = _choose(text, options, source)
    if len(chosen) < 2:
        given = f"one class only ({text[chosen[0]]})" if chosen else "no class"
        raise DatasetError(f"{source} gives {given}: a classifier needs two or more.")
    left_out = _too_small({name: counts[name] for name in chosen}, text, options)
    chosen = [class_name for class_name in chosen if text[class_name] not in left_out]
    if len(chosen) < 2:
        raise DatasetError(
            f"Each class needs {_needed(options)} pictures to be split, and fewer than two of "
            f"{source} have them; too few are there of {_with_counts(left_out)}: add pictures."
        )
    labels = tuple(sorted(text[class_name] for class_name in chosen))
    by_class_name = {class_name: labels.index(text[class_name]) for class_name in chosen}
    taken = Counter(
        {
            label: min(counts[class_name], options.per_breed or counts[class_name])
            for class_name, label in by_class_name.items()
        }
    )
    thresholds = {
        label: -draws[class_name][0] for class_name, label in by_class_name.items() if draws
    }
    return Catalogue(
        labels, taken, left_out, by_class_name, thresholds, options.per_breed, options.seed
    )


def readable_names(class_names: Iterable[str]) -> dict[str, str]:
    """Returns the readable name of each class; names that would collide stay unchanged."""
    readable = {class_name: readable_breed(class_name) for class_name in class_names}
    times = Counter(readable.values())
    return {
        class_name: name if times[name] == 1 else printable(class_name)
        for class_name, name in readable.items()
    }


def find_class(breed: str, text: Mapping[str, str]) -> tuple[str | None, str]:
    """Finds a class by its readable name or its own, in any case.

    Args:
        breed: what the user calls it.
        text: readable names by class name.

    Returns:
        The class name, or None and which ones there are, in words.
    """
    known: dict[str, str] = {}
    for class_name, name in text.items():
        known[folded(name)] = known[folded(printable(class_name))] = class_name
    if (found := known.get(folded(breed))) is not None:
        return found, ""
    close = difflib.get_close_matches(folded(breed), known, n=3, cutoff=0.6)
    names = [text[known[key]] for key in close] or sorted(text.values())[:5]
    listed = ", ".join(dict.fromkeys(names))
    return None, f"did you mean {listed}?" if close else f"it has, among others, {listed}"


def folded(name: str) -> str:
    """Returns a name such that equal ones are the same breed."""
    return unicodedata.normalize("NFC", name).replace("_", " ").casefold().strip()


def _choose(text: dict[str, str], options: ConvertOptions, source: str) -> list[str]:
    chosen = _named(options.breeds, text, source) if options.breeds else set(text)
    return sorted(chosen - _named(options.exclude, text, source))


def _named(breeds: tuple[str, ...], text: dict[str, str], source: str) -> set[str]:
    found = set()
    for breed in breeds:
        class_name, hint = find_class(breed, text)
        if class_name is None:
            raise DatasetError(
                f"{source} has no breed {breed!r}: {hint}{'' if hint.endswith('?') else '.'}"
            )
        found.add(class_name)
    return found


def _too_small(
    counts: dict[str, int], text: dict[str, str], options: ConvertOptions
) -> dict[str, int]:
    """Returns the number of images of each class too small to split."""
    needed = _needed(options)
    few = {
        text[class_name]: count
        for class_name, count in counts.items()
        if min(count, options.per_breed or count) < needed
    }
    if few and options.small_classes == "refuse":
        raise DatasetError(
            f"Each class needs {needed} pictures to be split, fewer are there of "
            f"{_with_counts(few)}: add pictures, or leave these classes out with "
            "--exclude or --small-classes leave-out."
        )
    return few


def _needed(options: ConvertOptions) -> int:
    return max(options.min_train + options.min_eval, options.min_eval * (options.folds or 1))


def _with_counts(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())[:5])
    return f"{listed} and {len(counts) - 5} more" if len(counts) > 5 else listed


def _draw(seed: int, class_name: str, file_name: str) -> int:
    key = f"{seed}\0{class_name}\0{file_name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")


def _keep_smallest(draws: list[int], draw: int, limit: int) -> None:
    """Keeps the `limit` smallest draws in a heap whose first item is minus the largest."""
    if len(draws) < limit:
        heapq.heappush(draws, -draw)
    elif draw < -draws[0]:
        heapq.heapreplace(draws, -draw)
