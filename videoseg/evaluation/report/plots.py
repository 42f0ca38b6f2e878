"""Plots of a report, laid out in pixels for ``evaluation_plots.html`` to draw as SVG."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from videoseg.masks.colors import object_color

__all__ = ["Plot", "Point", "group_color", "histogram", "plot_over_time", "scatter"]

_WIDTH, _HEIGHT = 560, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, _WIDTH - 16, 12, _HEIGHT - 40
_BINS = 20
_MAX_POINTS = 3000
_DOT = 9
"""Diameter of a dot, in pixels."""


@dataclass(frozen=True, slots=True)
class Point:
    """One sample in a scatter plot.

    Args:
        x: Its value, in any unit.
        y: Its value in [0, 1].
        group: Index of its group.
        title: Shown when the mouse is over it.
    """

    x: float
    y: float
    group: int
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on an axis, and where it is in pixels."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a histogram, in pixels."""

    x: float
    y: float
    width: float
    height: float
    color: str
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A dot, in pixels; without a color it is a point of the line."""

    x: float
    y: float
    title: str
    color: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot with every element placed in pixels.

    Args:
        title: What stands above it.
        description: What it shows, for readers that do not see it.
        axis: Title of the horizontal axis.
        grid: Values of the vertical axis, the lowest first.
        marks: Values of the horizontal axis.
        bars: Bars of a histogram.
        dots: Dots.
        path: A line, as the ``d`` of an SVG path.
        mean: Where a vertical line marks the mean.
    """

    title: str
    description: str
    axis: str
    grid: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    dots: tuple[Dot, ...] = ()
    path: str = ""
    mean: float | None = None
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM
    dot_radius: float = _DOT / 2


def group_color(index: int) -> str:
    """Return the color of a group, as CSS."""
    return f"rgb{object_color(index + 1)}"


def histogram(values: Mapping[int, Sequence[float]], *, title: str, label: str) -> Plot:
    """Return how many samples there are at each value in [0, 1], groups stacked.

    Args:
        values: For each group its samples' values.
        title: Title of the plot.
        label: What the values are.
    """
    counts = {group: _bin_counts(of_group) for group, of_group in values.items()}
    most = max((sum(c[place] for c in counts.values()) for place in range(_BINS)), default=0)
    ticks = _count_ticks(most)
    top = ticks[-1]
    width = (_RIGHT - _LEFT) / _BINS
    bars = []
    for place in range(_BINS):
        below = 0
        for group, count in counts.items():
            if not count[place]:
                continue
            high, low = _y((below + count[place]) / top), _y(below / top)
            bars.append(
                Bar(
                    round(_LEFT + place * width + 1, 1),
                    round(high, 1),
                    round(width - 2, 1),
                    round(low - high, 1),
                    group_color(group),
                    f"{count[place]} samples from {100 * place / _BINS:.0f} to "
                    f"{100 * (place + 1) / _BINS:.0f} %",
                )
            )
            below += count[place]
    everything = [value for of_group in values.values() for value in of_group]
    mean = statistics.fmean(everything) if everything else 0.0
    return Plot(
        title,
        f"Histogram of {label} of {len(everything)} samples, mean {100 * mean:.1f} percent",
        f"{label} in percent; dashed: the mean of the samples, {100 * mean:.1f}",
        tuple(Tick(round(_y(tick / top), 1), str(tick)) for tick in ticks),
        _percent_marks(),
        bars=tuple(bars),
        mean=round(_LEFT + mean * (_RIGHT - _LEFT), 1),
    )


def scatter(
    points: Sequence[Point], *, title: str, x_label: str, y_label: str, percent: bool = False
) -> Plot:
    """Return one dot for each sample; x has a logarithmic scale where it spans much.

    Args:
        points: The samples; y in [0, 1].
        title: Title of the plot.
        x_label: What x is.
        y_label: What y is.
        percent: Whether x is a share, to be shown in percent.
    """
    if len(points) > _MAX_POINTS:
        points = points[:: math.ceil(len(points) / _MAX_POINTS)]
    xs = [point.x for point in points]
    low, high = min(xs), max(xs)
    logarithmic = low > 0 and high / low > 8
    place = _scale(low, high, logarithmic)
    ticks = _ticks(low, high, logarithmic)
    taken: Counter[tuple[int, int]] = Counter()
    dots = []
    for point in points:
        x, y = place(point.x), _y(point.y)
        # Expressions of one video share its length: dots that would be hidden step aside.
        spot = (round(x / _DOT), round(y / _DOT))
        step = (taken[spot] + 1) // 2 * (-1) ** taken[spot]
        taken[spot] += 1
        x += 0.9 * _DOT * step
        dots.append(Dot(round(x, 1), round(y, 1), point.title, group_color(point.group)))
    return Plot(
        title,
        f"{y_label} of {len(points)} samples over {x_label}",
        f"{x_label}{', logarithmic' if logarithmic else ''}",
        _share_grid(),
        tuple(
            Tick(round(place(tick), 1), text)
            for tick, text in zip(ticks, _numbers(ticks, percent=percent), strict=True)
        ),
        dots=tuple(dots),
    )


def plot_over_time(values: Sequence[float], *, title: str, y_label: str) -> Plot:
    """Return a line through the values of equal parts of a video.

    Args:
        values: One value in [0, 1] for each part, in order.
        title: Title of the plot.
        y_label: What the values are.
    """
    places = [
        (round(_LEFT + (_RIGHT - _LEFT) * (index + 0.5) / len(values), 1), round(_y(value), 1))
        for index, value in enumerate(values)
    ]
    return Plot(
        title,
        f"{y_label} over time, from {100 * values[0]:.1f} to {100 * values[-1]:.1f} percent",
        "part of the annotated frames, in percent",
        _share_grid(),
        _percent_marks(),
        dots=tuple(
            Dot(x, y, f"{100 * value:.1f} %") for (x, y), value in zip(places, values, strict=True)
        ),
        path="M" + "L".join(f"{x},{y}" for x, y in places),
    )


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _share_grid() -> tuple[Tick, ...]:
    return tuple(Tick(round(_y(quarter / 4), 1), f"{25 * quarter}") for quarter in range(5))


def _percent_marks() -> tuple[Tick, ...]:
    span = _RIGHT - _LEFT
    return tuple(Tick(round(_LEFT + span * tick / 5, 1), f"{20 * tick}") for tick in range(6))


def _bin_counts(values: Sequence[float]) -> list[int]:
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, max(0, int(value * _BINS)))] += 1
    return counts


def _count_ticks(most: int) -> list[int]:
    step = next(s for s in _nice_steps() if s * 5 >= max(most, 1) and s == int(s))
    return [int(step) * tick for tick in range(math.ceil(max(most, 1) / step) + 1)]


def _nice_steps() -> list[float]:
    return [digit * 10.0**power for power in range(-6, 12) for digit in (1, 2, 5)]


def _scale(low: float, high: float, logarithmic: bool) -> Callable[[float], float]:
    begin, end = _LEFT + 10, _RIGHT - 10

    def place(value: float) -> float:
        if high <= low:
            return (begin + end) / 2
        if logarithmic:
            share = math.log(value / low) / math.log(high / low)
        else:
            share = (value - low) / (high - low)
        return begin + share * (end - begin)

    return place


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if high <= low:
        return [low]
    if logarithmic:
        found = [step for step in _nice_steps() if low <= step <= high]
        return found if len(found) <= 9 else found[:: math.ceil(len(found) / 9)]
    step = next(s for s in _nice_steps() if s * 6 >= high - low)
    first = math.ceil(low / step)
    return [step * index for index in range(first, int(high / step) + 1)]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _numbers(values: Sequence[float], *, percent: bool) -> list[str]:
    """Return texts with as many digits as tell the values apart."""
    values = [100 * value if percent else value for value in values]
    texts = [_number(value) for value in values]
    for digits in range(3, 10):
        if len(set(texts)) == len(values):
            break
        texts = [f"{value:.{digits}g}" for value in values]
    return texts
