"""The pictures that could not be used, and when there are too many of them."""

from __future__ import annotations

from collections.abc import Iterator

from foundation.errors_part import DatasetError

_NUM_SHOWN = 5


class Rejects:
    """Collects rejected files. Their number is bounded by the share that is allowed.

    Args:
        num_pictures: Pictures in the whole conversion.
        max_share: Largest share of them that may be rejected, in [0, 1].
    """

    def __init__(self, num_pictures: int, max_share: float) -> None:
        self._num_pictures = num_pictures
        self._max_share = max_share
        self.reasons: list[tuple[str, str]] = []
        """File name and reason, in the order of the source."""

    def add(self, file_name: str, reason: str) -> None:
        """Notes a rejected file.

        Args:
            file_name: As in the source; undecodable bytes are surrogate escapes.
            reason: In plain words.

        Raises:
            DatasetError: If these are now more than the share that is allowed.
        """
        self.reasons.append((file_name, reason))
        num_rejected = len(self.reasons)
        if num_rejected > self._max_share * self._num_pictures:
            shown = "; ".join(f"{_shown(name)}: {why}" for name, why in self.reasons[:_NUM_SHOWN])
            raise DatasetError(
                f"{num_rejected} of {self._num_pictures} pictures "
                f"({num_rejected / self._num_pictures:.1%}) cannot be used so far, more than the "
                f"{self._max_share:.1%} that --max-rejected allows: {shown}"
                f"{'; …' if num_rejected > _NUM_SHOWN else ''}."
            )

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yields file and reason, sorted, for a file in UTF-8."""
        for file_name, reason in sorted(self.reasons):
            yield _shown(file_name), _shown(reason)


def _shown(name: str) -> str:
    r"""Writes undecodable bytes as \xNN, so that the file can still be found."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
