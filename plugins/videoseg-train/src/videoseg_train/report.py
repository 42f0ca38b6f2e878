"""``training.html``: the curves, episodes, cost and warnings of a run, in one file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from videoseg.files import write_file
from videoseg.text import format_count, format_seconds
from videoseg_train.journal import EPISODES, METRICS, TIMINGS, read_lines

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

__all__ = ["REPORT", "write_report"]

REPORT = "training.html"

# Which curves stand together, by the beginning of their names.
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Rewards", ("reward", "rewards/", "equal_groups")),
    ("Loss", ("loss", "token_loss", "policy_loss", "mask_", "divergence", "clipped", "drift")),
    ("Lengths and failures", ("answer_tokens", "turns", "errors", "seg_tokens", "entropy")),
    ("Optimizer", ("learning_rate", "gradient_norm")),
)
_LEFT_OUT = ("tokens", "left_out", "samples")
_WIDTH, _HEIGHT = 330, 170
_MARGIN = (46, 8, 10, 22)  # left, right, top, bottom
_MOST_POINTS = 500
"""More steps are drawn as means of neighbors."""
_SMOOTHING = 0.05
"""Share of the steps that a smoothed curve averages over."""
_MOST_WARNINGS = 30
_TOKEN_PHASES = ("rollout", "demonstration", "update")
"""Phases in which every token of the policy's own is made or learned."""


class Curve(NamedTuple):
    """Values by step."""

    steps: list[float]
    values: list[float]


def write_report(folder: Path) -> Path:
    """Write the report of a run from what it has written down.

    Args:
        folder: The run's folder.

    Raises:
        OutputError: If it cannot be written.
    """
    path = folder / REPORT
    write_file(path, _template().render(_values(folder)))
    return path


def _values(folder: Path) -> dict[str, Any]:
    lines = read_lines(folder / METRICS)
    steps = [line for line in lines if line.get("kind") == "step"]
    evaluations = [line for line in lines if line.get("kind") == "evaluation"]
    config_path = folder / "config.yaml"
    config = config_path.read_text(encoding="utf-8") if config_path.is_file() else ""
    timings = read_lines(folder / TIMINGS)
    method = "GRPO" if any("reward" in line["metrics"] for line in steps) else "SFT"
    count = steps[-1]["step"] if steps else 0
    seconds = sum(sum(line["seconds"].values()) for line in timings)
    warnings = [
        {"step": line["step"], "text": text} for line in steps for text in line["warnings"]
    ]
    groups = [*_evaluation_groups(evaluations), *_groups(steps)]
    return {
        "title": f"{method}, {folder.resolve().name}",
        "summary": (
            f"{format_count(count, 'step')} in {format_seconds(seconds)}; "
            f"{format_count(len(warnings), 'warning')}"
        ),
        "warnings": warnings[-_MOST_WARNINGS:],
        "groups": groups,
        "phases": _phases(timings, max(1, len(steps))),
        "speed": _speed(timings),
        "episodes": _episode_pairs(read_lines(folder / EPISODES)),
        "config": config,
        **_comparison(evaluations),
    }


# -- curves --------------------------------------------------------------------------------------


def _groups(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    curves = _curves(lines)
    found = []
    for title, beginnings in _GROUPS:
        names = [name for name in curves if name.startswith(beginnings)]
        charts = [_chart(name, curves.pop(name)) for name in names]
        if charts:
            found.append({"title": title, "charts": charts})
    if curves:
        charts = [_chart(name, curve) for name, curve in curves.items()]
        found.append({"title": "More", "charts": charts})
    return found


def _evaluation_groups(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    charts = [_chart(name, curve, smooth=False) for name, curve in _curves(lines).items()]
    return [{"title": "Evaluation on held-out samples", "charts": charts}] if charts else []


def _curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for line in lines:
        for name, value in line["metrics"].items():
            if name not in _LEFT_OUT and isinstance(value, int | float) and math.isfinite(value):
                curve = curves.setdefault(name, Curve([], []))
                curve.steps.append(line["step"])
                curve.values.append(float(value))
    return curves


def _chart(name: str, curve: Curve, *, smooth: bool = True) -> dict[str, Any]:
    return {
        "title": name,
        "first": _number(curve.values[0]),
        "last": _number(curve.values[-1]),
        "svg": _draw(_thinned(curve), smooth=smooth),
    }


def _draw(curve: Curve, *, smooth: bool) -> Markup:
    """Return a curve as SVG."""
    from markupsafe import Markup

    left, right, top, bottom = _MARGIN
    ticks = _ticks(min(curve.values), max(curve.values))
    low, high = ticks[0], ticks[-1]
    first, last = curve.steps[0], curve.steps[-1]

    def x(step: float) -> float:
        share = (step - first) / (last - first) if last > first else 0.5
        return left + share * (_WIDTH - left - right)

    def y(value: float) -> float:
        return top + (high - value) / (high - low) * (_HEIGHT - top - bottom)

    def line(values: Sequence[float]) -> str:
        return " ".join(
            f"{x(step):.1f},{y(value):.1f}"
            for step, value in zip(curve.steps, values, strict=True)
        )

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">']
    for tick in ticks:
        parts.append(
            f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y(tick):.1f}" '
            f'y2="{y(tick):.1f}"/><text x="{left - 5}" y="{y(tick) + 3:.1f}" '
            f'text-anchor="end">{_number(tick)}</text>'
        )
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(
            f'<text x="{x(step):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{step:g}</text>'
        )
        if last == first:
            break
    few = len(curve.steps) <= 30
    parts.append(
        f'<polyline class="{"raw" if smooth else "smooth"}" points="{line(curve.values)}"/>'
    )
    if smooth:
        parts.append(f'<polyline class="smooth" points="{line(_smoothed(curve.values))}"/>')
    if few:
        parts += [
            f'<circle class="points" r="2.2" cx="{x(step):.1f}" cy="{y(value):.1f}"/>'
            for step, value in zip(curve.steps, curve.values, strict=True)
        ]
    parts.append("</svg>")
    return Markup("".join(parts))


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers around a range."""
    if high - low < 1e-12:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(begin, max(end, begin + 1) + 1)]


def _smoothed(values: Sequence[float]) -> list[float]:
    """Return the means over windows around each value."""
    half = int(len(values) * _SMOOTHING / 2) or (1 if len(values) > 8 else 0)
    windows = (values[max(0, at - half) : at + half + 1] for at in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def _thinned(curve: Curve) -> Curve:
    size = math.ceil(len(curve.steps) / _MOST_POINTS)
    if size <= 1:
        return curve
    starts = range(0, len(curve.steps), size)
    return Curve(
        [_mean(curve.steps[start : start + size]) for start in starts],
        [_mean(curve.values[start : start + size]) for start in starts],
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.3g}" if abs(value) < 1e4 else f"{value:,.0f}"


# -- tables --------------------------------------------------------------------------------------


def _comparison(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not evaluations:
        return {"comparison": [], "before_step": 0, "after_step": 0}
    before, after = evaluations[0], evaluations[-1]
    rows = []
    for name, value in after["metrics"].items():
        old = before["metrics"].get(name)
        change = "" if old is None else f"{value - old:+.3f}"
        shown = "" if old is None else f"{old:.3f}"
        rows.append({"name": name, "before": shown, "after": f"{value:.3f}", "change": change})
    return {"comparison": rows, "before_step": before["step"], "after_step": after["step"]}


def _phases(timings: Sequence[Mapping[str, Any]], num_steps: int) -> list[dict[str, str]]:
    """Return what each phase has cost; those in which tokens were made or learned have a speed."""
    sums: dict[str, float] = {}
    tokens: dict[str, float] = {}
    for line in timings:
        for name, seconds in line["seconds"].items():
            sums[name] = sums.get(name, 0.0) + seconds
            if name in _TOKEN_PHASES:
                tokens[name] = tokens.get(name, 0.0) + line.get("tokens", 0.0)
    whole = sum(sums.values()) or 1.0
    return [
        {
            "name": name,
            "mean": f"{seconds / num_steps:.3f}",
            "share": f"{seconds / whole:.0%}",
            "total": format_seconds(seconds),
            "speed": f"{tokens[name] / seconds:,.0f}" if tokens.get(name) and seconds else "",
        }
        for name, seconds in sums.items()
    ]


def _speed(timings: Sequence[Mapping[str, Any]]) -> str:
    """Return tokens a second over whole steps, and memory, in words."""
    steps = [line for line in timings if line.get("tokens")]
    seconds = sum(sum(line["seconds"].values()) for line in steps)
    tokens = sum(line["tokens"] for line in steps)
    memory = max((line.get("memory_bytes", 0) for line in timings), default=0)
    where = next((line["memory_of"] for line in timings if line.get("memory_of")), "")
    parts = []
    if seconds:
        parts.append(f"{tokens / seconds:,.0f} tokens of the policy a second, over whole steps")
    if memory:
        parts.append(f"at most {memory / 1e9:.2f} GB of memory of {where or 'the process'}")
    return "; ".join(parts)


def _episode_pairs(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each sample's first and last episode."""
    by_sample: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_sample.setdefault(line["sample"], []).append(line)
    pairs = []
    for sample, records in by_sample.items():
        chosen = [records[0], *records[-1:]] if len(records) > 1 else records
        sides = [{"step": record["step"], "record": record} for record in chosen]
        pairs.append({"sample": sample, "query": records[0]["query"], "sides": sides})
    return pairs


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("videoseg_train", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("training.html")
