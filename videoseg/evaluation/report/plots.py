"""Plots as inline SVG: no library, no script, and they follow the page's colors."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from videoseg.masks.colors import object_color

__all__ = ["Point", "course", "group_color", "histogram", "legend", "scatter"]

_WIDTH, _HEIGHT = 560, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 10, 12, 40
_BINS = 20
_MOST_POINTS = 3000
_DOT = 9


@dataclass(frozen=True, slots=True)
class Point:
    """One sample in a scatter plot: its place, its group and what the mouse says of it."""

    x: float
    y: float
    group: int
    title: str


def group_color(index: int) -> str:
    """Return the color of a group, as CSS."""
    return f"rgb{object_color(index + 1)}"


def legend(names: Sequence[str]) -> str:
    """Return what the colors of the groups mean; nothing if there is one group only."""
    if len(names) < 2:
        return ""
    items = "".join(
        f"<li><span class='key' style='background:{group_color(index)}'></span>"
        f"{escape(name or 'no group')}</li>"
        for index, name in enumerate(names)
    )
    return f"<ul class='legend'>{items}</ul>"


def histogram(values: Mapping[int, Sequence[float]], *, label: str) -> str:
    """Return how many samples there are at each value in [0, 1], groups stacked.

    Args:
        values: For each group its samples' values.
        label: What the values are.
    """
    counts = {group: _counted(of_group) for group, of_group in values.items()}
    most = max((sum(c[place] for c in counts.values()) for place in range(_BINS)), default=0)
    ticks = _count_ticks(most)
    top = ticks[-1]
    bars = []
    width = (_WIDTH - _LEFT - _RIGHT) / _BINS
    for place in range(_BINS):
        bottom = 0
        for group, count in counts.items():
            if not count[place]:
                continue
            high, low = _y((bottom + count[place]) / top), _y(bottom / top)
            bars.append(
                f"<rect x='{_LEFT + place * width + 1:.1f}' y='{high:.1f}' "
                f"width='{width - 2:.1f}' height='{low - high:.1f}' "
                f"fill='{group_color(group)}'><title>{count[place]} samples from "
                f"{100 * place / _BINS:.0f} to {100 * (place + 1) / _BINS:.0f} %</title></rect>"
            )
            bottom += count[place]
    everything = [value for of_group in values.values() for value in of_group]
    mean = statistics.fmean(everything) if everything else 0.0
    x = _LEFT + mean * (_WIDTH - _LEFT - _RIGHT)
    line = f"<line class='mean' x1='{x:.1f}' x2='{x:.1f}' y1='{_TOP}' y2='{_y(0):.1f}'/>"
    return _svg(
        _grid([(tick / top, str(tick)) for tick in ticks])
        + "".join(bars)
        + line
        + _percent_axis(f"{label} in percent; dashed: the mean of the samples, {100 * mean:.1f}"),
        f"Histogram of {label} of {len(everything)} samples, mean {100 * mean:.1f} percent",
    )


def scatter(points: Sequence[Point], *, x_label: str, y_label: str, percent: bool = False) -> str:
    """Return one dot for each sample; x is on a logarithmic scale where it spans much.

    Args:
        points: The samples; y in [0, 1].
        x_label: What x is.
        y_label: What y is.
        percent: Whether x is a share, to be shown in percent.
    """
    if len(points) > _MOST_POINTS:
        points = points[:: math.ceil(len(points) / _MOST_POINTS)]
    xs = [point.x for point in points]
    low, high = min(xs), max(xs)
    logarithmic = low > 0 and high / low > 8
    place = _scale(low, high, logarithmic)
    taken: Counter[tuple[int, int]] = Counter()
    dots = []
    for point in points:
        x, y = place(point.x), _y(point.y)
        # Expressions of one video share its length: what would be hidden steps aside.
        spot = (round(x / _DOT), round(y / _DOT))
        step = (taken[spot] + 1) // 2 * (-1) ** taken[spot]
        taken[spot] += 1
        dots.append(
            f"<circle class='dot' cx='{x + 0.9 * _DOT * step:.1f}' cy='{y:.1f}' r='{_DOT / 2}' "
            f"fill='{group_color(point.group)}'><title>{escape(point.title)}</title></circle>"
        )
    marks = "".join(
        f"<text x='{place(tick):.1f}' y='{_HEIGHT - 22}' text-anchor='middle'>"
        f"{_number(100 * tick if percent else tick)}</text>"
        for tick in _ticks(low, high, logarithmic)
    )
    note = ", logarithmic" if logarithmic else ""
    return _svg(
        _value_grid() + "".join(dots) + marks + _title(f"{x_label}{note}"),
        f"{y_label} of {len(points)} samples over {x_label}",
    )


def course(values: Sequence[float], *, y_label: str) -> str:
    """Return a line through values in [0, 1] over the course of a video."""
    span = _WIDTH - _LEFT - _RIGHT
    places = [
        (_LEFT + span * (index + 0.5) / len(values), _y(value))
        for index, value in enumerate(values)
    ]
    path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f"<circle class='point' cx='{x:.1f}' cy='{y:.1f}' r='3.5'>"
        f"<title>{100 * value:.1f} %</title></circle>"
        for (x, y), value in zip(places, values, strict=True)
    )
    return _svg(
        _value_grid()
        + f"<path class='course' d='{path}'/>{dots}"
        + _percent_axis("part of the annotated frames, in percent"),
        f"{y_label} over the course of the videos, from {100 * values[0]:.1f} to "
        f"{100 * values[-1]:.1f} percent",
    )


def _svg(content: str, description: str) -> str:
    return (
        f"<svg class='plot' viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' "
        f"aria-label='{escape(description)}'>{content}</svg>"
    )


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _grid(ticks: Sequence[tuple[float, str]]) -> str:
    lines = []
    for share, text in ticks:
        y = _y(share)
        kind = "grid" if share else "base"
        lines.append(
            f"<line class='{kind}' x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y:.1f}' "
            f"y2='{y:.1f}'/><text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{text}</text>"
        )
    return "".join(lines)


def _value_grid() -> str:
    return _grid([(share / 4, f"{25 * share}") for share in range(5)])


def _percent_axis(title: str) -> str:
    span = _WIDTH - _LEFT - _RIGHT
    marks = "".join(
        f"<text x='{_LEFT + span * tick / 5:.1f}' y='{_HEIGHT - 22}' text-anchor='middle'>"
        f"{20 * tick}</text>"
        for tick in range(6)
    )
    return marks + _title(title)


def _title(text: str) -> str:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return f"<text x='{middle:.1f}' y='{_HEIGHT - 4}' text-anchor='middle'>{escape(text)}</text>"


def _counted(values: Sequence[float]) -> list[int]:
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
    begin, end = _LEFT + 10, _WIDTH - _RIGHT - 10

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
