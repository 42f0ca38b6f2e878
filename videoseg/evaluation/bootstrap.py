"""The paired bootstrap: sums over samples that are drawn again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.types import FloatArray, IntArray

__all__ = ["MAX_RESAMPLES", "MIN_UNITS", "Resamples", "interval"]

MAX_RESAMPLES = 1_000_000
"""More draws than any interval needs would only take memory."""

# With fewer, a draw is so often the same unit again and again that the ends of an interval are
# the values of single units: of one unit it has no width at all.
MIN_UNITS = 5
_CHUNK = 4_000_000


class Resamples:
    """Draws with replacement; what is drawn together stays together.

    Args:
        units: What each sample is drawn with: itself, or its video.
        num_resamples: How often everything is drawn.
        seed: The same seed gives the same draws.
    """

    def __init__(self, units: Sequence[str], num_resamples: int, seed: int) -> None:
        names = sorted(set(units))
        place = {name: index for index, name in enumerate(names)}
        self._unit_of: IntArray = np.array([place[unit] for unit in units])
        self._num_units = len(names)
        self._num_resamples = num_resamples
        self._seed = seed

    @property
    def num_units(self) -> int:
        """How many different units there are to draw."""
        return self._num_units

    def sums(self, columns: FloatArray) -> FloatArray:
        """Return the sum of each column over the samples of each draw.

        Args:
            columns: Shape (samples, columns).

        Returns:
            Shape (draws, columns).
        """
        by_unit = np.zeros((self._num_units, columns.shape[1]))
        np.add.at(by_unit, self._unit_of, columns)
        rng = np.random.default_rng(self._seed)
        rows = max(1, _CHUNK // self._num_units)
        parts = []
        for begin in range(0, self._num_resamples, rows):
            count = min(rows, self._num_resamples - begin)
            drawn = rng.integers(self._num_units, size=(count, self._num_units))
            # How often each unit was drawn; one count for all rows at once is much faster.
            drawn += self._num_units * np.arange(count)[:, None]
            times = np.bincount(drawn.ravel(), minlength=count * self._num_units)
            parts.append(times.reshape(count, self._num_units) @ by_unit)
        return np.concatenate(parts)


def interval(drawn: FloatArray, confidence: float) -> tuple[float, float] | tuple[None, None]:
    """Return the percentile interval of drawn values; (None, None) if none is finite."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)
