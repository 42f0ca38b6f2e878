"""Stories: sets of paths in which objects cross, arrive, hide, stand still, pass or flock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from videoseg_synthetic.paths import PathPlan

__all__ = ["SCRIPTS", "STORIES", "Script", "Story"]

Script: TypeAlias = Literal["crossing", "arrivals", "hidden", "still_life", "passing", "flock"]

SCRIPTS: tuple[Script, ...] = (
    "crossing",
    "arrivals",
    "hidden",
    "still_life",
    "passing",
    "flock",
)

Story: TypeAlias = Callable[
    [np.random.Generator, int], tuple[list[PathPlan], list[tuple[float, float]]]
]
"""Takes a generator and the number of objects; returns their paths, and posts as (x, width)."""


def _lanes(rng: np.random.Generator, count: int) -> list[float]:
    lanes = [(k + 0.5) / count for k in range(count)]
    return [
        0.1 + 0.8 * lanes[int(k)] + float(rng.uniform(-0.15, 0.15)) / count
        for k in rng.permutation(count)
    ]


def _phase(rng: np.random.Generator) -> float:
    return float(rng.uniform(0, 2 * np.pi))


def _side(rng: np.random.Generator) -> int:
    return int(rng.choice([-1, 1]))


def _crossing(
    rng: np.random.Generator, count: int
) -> tuple[list[PathPlan], list[tuple[float, float]]]:
    lanes = _lanes(rng, count)
    way = _side(rng)
    plans = []
    for index in range(count):
        x = float(rng.uniform(0.4, 0.6))
        if index == 0:
            plan = PathPlan(
                "cross", x, lanes[0], direction=way, travel=float(rng.uniform(0.6, 0.72))
            )
        elif index == 1:
            plan = PathPlan(
                "cross", x, lanes[1], direction=-way, travel=float(rng.uniform(0.28, 0.36))
            )
        elif index == 2:
            plan = PathPlan("still", float(rng.uniform(0.12, 0.88)), lanes[2])
        elif index == 3:
            upright = float(rng.choice([0.14, 0.86]))
            plan = PathPlan("climb", upright, 0.5, direction=_side(rng), travel=0.5)
        else:
            plan = PathPlan("wander", float(rng.uniform(0.15, 0.85)), lanes[index], travel=0.08)
        plans.append(replace(plan, phase=_phase(rng)))
    return plans, []


def _arrivals(
    rng: np.random.Generator, count: int
) -> tuple[list[PathPlan], list[tuple[float, float]]]:
    lanes = _lanes(rng, count)
    times = [0.16, 0.46, 0.72]
    entering = min(count - 1, int(rng.integers(1, 4))) if count > 1 else 1
    plans = []
    for index in range(count):
        way = _side(rng)
        if index < entering:
            start = times[index] if entering > 1 else float(rng.uniform(0.2, 0.5))
            x = 0.5 - way * float(rng.uniform(0.05, 0.3))
            plan = PathPlan(
                "enter", x, lanes[index], direction=way, start=start, stop=min(0.98, start + 0.24)
            )
        elif index == entering:
            start = float(rng.choice([0.2, 0.3, 0.45]))
            x = 0.5 - way * float(rng.uniform(0.0, 0.3))
            plan = PathPlan(
                "leave", x, lanes[index], direction=way, start=start, stop=start + 0.26
            )
        else:
            kind = "wander" if rng.random() < 0.5 else "still"
            plan = PathPlan(
                "wander" if kind == "wander" else "still",
                float(rng.uniform(0.15, 0.85)),
                lanes[index],
                travel=0.08,
            )
        plans.append(replace(plan, phase=_phase(rng)))
    return plans, []


def _hidden(
    rng: np.random.Generator, count: int
) -> tuple[list[PathPlan], list[tuple[float, float]]]:
    lanes = _lanes(rng, count)
    post = float(rng.uniform(0.4, 0.6))
    plans: list[PathPlan] = []
    for index in range(count):
        way = _side(rng)
        if index == 0:
            behind_post = rng.random() < 0.6
            plan = (
                PathPlan("hide", post, lanes[0], direction=way, travel=0.68)
                if behind_post
                else PathPlan(
                    "return",
                    0.5 + way * 0.22,
                    lanes[0],
                    direction=way,
                    start=0.38,
                    stop=0.62,
                )
            )
        elif index == 1 and rng.random() < 0.5:
            plan = PathPlan(
                "emerge", post, lanes[1], direction=way, travel=0.3, start=0.42, stop=0.75
            )
        else:
            side = 0.16 if post > 0.5 else 0.84
            plan = PathPlan(
                "wander" if rng.random() < 0.6 else "still",
                side + float(rng.uniform(-0.06, 0.06)) if index % 2 else 1 - side,
                lanes[index],
                travel=0.07,
            )
        plans.append(replace(plan, phase=_phase(rng)))
    return plans, [(post, 0.3 if min(count, 5) < 5 else 0.26)]


def _still_life(
    rng: np.random.Generator, count: int
) -> tuple[list[PathPlan], list[tuple[float, float]]]:
    spots = _spots(rng, count)
    plans = []
    for x, y in spots:
        kind = rng.random()
        plan = PathPlan("still", x, y)
        if kind < 0.45:
            plan = PathPlan("wander", x, y, travel=0.05, phase=_phase(rng))
        plans.append(plan)
    return plans, []


def _passing(
    rng: np.random.Generator, count: int
) -> tuple[list[PathPlan], list[tuple[float, float]]]:
    y = float(rng.uniform(0.3, 0.7))
    way = _side(rng)
    x = float(rng.uniform(0.4, 0.6))
    plans = [
        PathPlan("cross", 0.5, y + 0.03, direction=way, travel=0.68, phase=_phase(rng)),
        PathPlan("still", x, y),
    ]
    for index in range(2, count):
        other = 0.13 if (index % 2 == 0) == (y > 0.5) else 0.87
        plans.append(
            PathPlan(
                "wander" if rng.random() < 0.5 else "drift",
                float(rng.uniform(0.15, 0.85)),
                other,
                direction=_side(rng),
                travel=0.06,
                phase=_phase(rng),
            )
        )
    return plans[:count], []


def _flock(
    rng: np.random.Generator, count: int
) -> tuple[list[PathPlan], list[tuple[float, float]]]:
    lanes = _lanes(rng, count)
    way = _side(rng)
    plans = []
    for index in range(count):
        together = index < max(2, (count + 1) // 2)
        direction = way if together else -way
        kind = rng.random()
        if not together and kind < 0.4:
            plan = PathPlan("still", float(rng.uniform(0.15, 0.85)), lanes[index])
        else:
            plan = PathPlan(
                "cross",
                float(rng.uniform(0.44, 0.56)),
                lanes[index],
                direction=direction,
                travel=float(rng.uniform(0.4, 0.6)),
            )
        plans.append(replace(plan, phase=_phase(rng)))
    return plans, []


def _spots(rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Scatter points at a distance from one another; the more points, the smaller."""
    spots: list[tuple[float, float]] = []
    distance = 0.36 if count <= 5 else 0.9 / count**0.5
    for attempt in range(400):
        x, y = float(rng.uniform(0.14, 0.86)), float(rng.uniform(0.18, 0.82))
        reach = distance * (1 - attempt / 500)
        if all(np.hypot((x - a) * 1.2, y - b) >= reach for a, b in spots):
            spots.append((x, y))
        if len(spots) == count:
            break
    while len(spots) < count:
        spots.append((float(rng.uniform(0.14, 0.86)), float(rng.uniform(0.18, 0.82))))
    return spots


STORIES: dict[Script, Story] = {
    "crossing": _crossing,
    "arrivals": _arrivals,
    "hidden": _hidden,
    "still_life": _still_life,
    "passing": _passing,
    "flock": _flock,
}
