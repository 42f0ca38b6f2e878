"""Many answers to one question, made into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from videoseg import ConfigError

__all__ = ["AGGREGATES", "Aggregate", "agreement", "combine_positions", "combine_spans"]

Aggregate: TypeAlias = Literal["mean", "median", "cluster"]

AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
"""``mean`` is the paper's. ``median`` shrugs off strays. ``cluster`` averages the largest group
of answers that agree, for events that happen twice: a mean would lie between them."""

_SAME_SPAN = 0.5
# A hair more, so that 0.3 and 0.4 are as near as 0.2 and 0.3.
_SAME_POSITION = 0.1 + 1e-9

Array: TypeAlias = npt.NDArray[np.float64]


def combine_spans(
    spans: Sequence[tuple[float, float]], how: Aggregate = "mean"
) -> tuple[float, float]:
    """Return one (start, end): starts and ends are averaged apart.

    Raises:
        ConfigError: If there are no spans, or no such way to combine them.

    Example:
        >>> combine_spans([(2, 6), (4, 8)])
        (3.0, 7.0)
    """
    values = np.array(spans, dtype=np.float64).reshape(-1, 2)
    similar = np.array([[_span_iou(a, b) for b in values] for a in values]) >= _SAME_SPAN
    start, end = _combined(values, similar, how)
    return float(start), float(end)


def combine_positions(positions: Sequence[float], how: Aggregate = "mean") -> float:
    """Return one position.

    Raises:
        ConfigError: If there are no positions, or no such way to combine them.
    """
    values = np.array(positions, dtype=np.float64).reshape(-1, 1)
    similar = np.abs(values - values.T) <= _SAME_POSITION
    return float(_combined(values, similar, how)[0])


def agreement(values: Sequence[float], extent: float) -> float | None:
    """Return how far answers agree, in [0, 1]; None if there are fewer than two.

    1 if all are the same, 0 if half lie at each end of the extent (the largest standard
    deviation there is).
    """
    if len(values) < 2 or extent <= 0:
        return None
    return float(np.clip(1 - 2 * np.std(values) / extent, 0, 1))


def _combined(values: Array, similar: npt.NDArray[np.bool_], how: str) -> Array:
    if how not in AGGREGATES:
        raise ConfigError(f"aggregate must be one of {', '.join(AGGREGATES)}, got {how!r}")
    if len(values) == 0:
        raise ConfigError("there are no answers to combine")
    combined: Array
    if how == "median":
        combined = np.median(values, axis=0)
    elif how == "cluster":
        # The first of several equally large groups, so that the result does not depend on luck.
        combined = values[similar[int(similar.sum(axis=1).argmax())]].mean(axis=0)
    else:
        combined = values.mean(axis=0)
    return combined


def _span_iou(a: Array, b: Array) -> float:
    union = max(a[1], b[1]) - min(a[0], b[0])
    return 1.0 if union <= 0 else float(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / union)
