"""Questions about the place of one object relative to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import IntArray, Window
from videoseg_synthetic.measure import DIRECTIONS, Measurements
from videoseg_synthetic.questions.appearance import extreme_in_size
from videoseg_synthetic.questions.proposal import Proposal, choice, name, span

__all__ = ["Side", "ask", "ask_beside_extremes", "beside", "contacts", "covers"]

Side: TypeAlias = Literal["left", "right", "above", "below"]

_SIDES: tuple[Side, ...] = ("left", "right", "above", "below")

_SIDE_WORDS: dict[Side, tuple[str, ...]] = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}

# Chosen by hand, so that people do not disagree.
_NEAR = 0.6  # distance to the nearest object relative to that of any other
_NEAR_GAP = 0.08  # between the distances of their rims, as a fraction of the shorter side
_NEAR_TOGETHER = 0.9  # share of the anchor's frames on which the nearest object is seen, too
_COVERED = 0.12  # hidden share of an object from which it counts as covered
_BESIDE = 0.12  # least distance along the side, as a fraction of the shorter side
_BESIDE_SLOPE = 0.8  # least distance along the side relative to that across it
_NOT_BESIDE = 0.02  # at most, as a fraction of the shorter side: clearly not on this side
_BESIDE_TOGETHER = 0.7  # share of the anchor's frames on which both are seen
_PASSES = 0.15  # displacement from which an object "passes"; fraction of width or height


def ask(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield the questions about relations that have a clear answer in this scene."""
    if len(seen.objects) < 2:
        return
    for anchor, item in enumerate(seen.objects):
        if len(seen.same_color(anchor)) > 1:
            continue
        called = f"the {item.color} {choice(rng, ('one', item.shape))}"
        yield from _ask_sides(seen, anchor, called, rng)
        close = nearest(seen, anchor)
        if close is not None:
            frames = seen.co_seen(anchor, close)
            yield Proposal(
                choice(rng, (f"the one next to {called}", f"the object closest to {called}")),
                "relations",
                "next-to",
                (close,),
                Window(int(frames[0]), int(frames[-1]) + 1),
                f"In every frame that shows both, {name(seen, close)} is the nearest to it.",
                f"The others are clearly further from {name(seen, anchor)}.",
                anchors=(anchor,),
            )
        yield from _ask_covering(seen, anchor, called, rng)


def ask_beside_extremes(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield questions such as "left of the largest one", which take two steps."""
    everyone = tuple(range(len(seen.objects)))
    for extreme in ("largest", "smallest"):
        anchor = extreme_in_size(seen, everyone, extreme)
        if anchor is None:
            continue
        for proposal in _ask_sides(seen, anchor, f"the {extreme} one", rng):
            yield Proposal(
                proposal.text,
                "several_steps",
                f"{proposal.kind}-{extreme}",
                proposal.answer,
                proposal.window,
                proposal.temporal,
                f"First find the {extreme}: {name(seen, anchor)}. {proposal.linguistic}",
                anchors=(anchor,),
            )


def _ask_sides(
    seen: Measurements, anchor: int, called: str, rng: np.random.Generator
) -> Iterator[Proposal]:
    for side in _SIDES:
        target = beside(seen, anchor, side)
        if target is None:
            continue
        frames = seen.co_seen(anchor, target)
        window = Window(int(frames[0]), int(frames[-1]) + 1)
        where = {"left": "left of", "right": "right of"}.get(side, side)
        yield Proposal(
            f"the {choice(rng, ('one', 'object'))} {choice(rng, _SIDE_WORDS[side])} {called}",
            "relations",
            f"side-{side}",
            (target,),
            window,
            f"This holds whenever both are seen, in {span(window)}.",
            f"Only {name(seen, target)} is {where} {name(seen, anchor)}.",
            anchors=(anchor,),
        )


def beside(seen: Measurements, anchor: int, side: Side) -> int | None:
    """Return the only object that is always clearly on one side of another, or None."""
    targets = []
    for other in range(len(seen.objects)):
        if other == anchor:
            continue
        verdict = _on_side(seen, anchor, other, side)
        if verdict is None:
            return None
        if verdict:
            targets.append(other)
    if len(targets) != 1:
        return None
    target = targets[0]
    frames = seen.co_seen(anchor, target)
    return target if len(frames) >= _BESIDE_TOGETHER * seen.seen[anchor].sum() else None


def _on_side(seen: Measurements, anchor: int, other: int, side: Side) -> bool | None:
    # On all frames that show any of both, so that a sliver on the wrong side counts as doubt.
    frames = np.flatnonzero(~seen.gone[anchor] & ~seen.gone[other])
    if not len(frames):
        return False
    away = seen.centroids[other, frames] - seen.centroids[anchor, frames]
    axis = 0 if side in ("left", "right") else 1
    sign = 1.0 if side in ("right", "below") else -1.0
    along = sign * away[:, axis]
    across = np.abs(away[:, 1 - axis])
    reach = _BESIDE * min(seen.scene.size)
    if (along >= reach).all() and (along >= _BESIDE_SLOPE * across).all():
        return True
    # "Left of" is not said of what is nearly straight above, nor denied if it is a bit left.
    return False if (along <= _NOT_BESIDE * min(seen.scene.size)).all() else None


def nearest(seen: Measurements, anchor: int) -> int | None:
    """Return the object that is always clearly the nearest to another, or None."""
    others = [k for k in range(len(seen.objects)) if k != anchor]
    if len(others) < 2:
        return None
    radii = np.array([item.radius for item in seen.objects])
    points = np.stack([seen.screen(k) for k in range(len(seen.objects))])
    distance = np.hypot(*np.moveaxis(points - points[anchor], -1, 0))
    between = distance - radii[:, None] - radii[anchor]
    together = np.array([(seen.seen[k] & seen.seen[anchor]).sum() for k in range(len(radii))])
    target = min(others, key=lambda k: float(np.median(distance[k])))
    frames = seen.co_seen(anchor, target)
    if not len(frames) or together[target] < _NEAR_TOGETHER * seen.seen[anchor].sum():
        return None
    gap = _NEAR_GAP * min(seen.scene.size)
    for other in others:
        if other == target:
            continue
        # Both from center to center and from rim to rim: people use either.
        if (distance[target, frames] > _NEAR * distance[other, frames]).any():
            return None
        if (between[other, frames] - between[target, frames] < gap).any():
            return None
    return target


def covers(seen: Measurements, front: int, behind: int) -> IntArray:
    """Return the frames on which one object hides a fair part of another."""
    part = seen.covered[:, front + 1, behind + 1] / seen.full_areas[behind]
    return np.flatnonzero(part >= _COVERED)


def contacts(seen: Measurements, first: int, second: int) -> bool:
    """Return whether two objects ever overlap at all."""
    both = seen.covered[:, first + 1, second + 1] + seen.covered[:, second + 1, first + 1]
    return bool(both.any())


def _ask_covering(
    seen: Measurements, anchor: int, called: str, rng: np.random.Generator
) -> Iterator[Proposal]:
    touching = [k for k in range(len(seen.objects)) if k != anchor and contacts(seen, k, anchor)]
    if len(touching) != 1:
        return
    other = touching[0]
    front = covers(seen, other, anchor)
    behind = covers(seen, anchor, other)
    least = 2 if seen.num_frames < 24 else 3
    if len(front) < least and len(behind) < least:
        return
    in_front = len(front) >= least
    frames = front if in_front else behind
    around = Window(
        max(0, int(frames[0]) - seen.num_frames // 8),
        min(seen.num_frames, int(frames[-1]) + 1 + seen.num_frames // 8),
    )
    mover, rest = (other, anchor) if in_front else (anchor, other)
    travels = max(seen.displacement(other, way) for way in DIRECTIONS) >= _PASSES
    if in_front:
        words = [f"the one in front of {called}", f"the object that covers part of {called}"]
        words += [f"the one that passes in front of {called}"] if travels else []
    else:
        words = [f"the one behind {called}", f"the object that is partly hidden by {called}"]
        words += [f"the one that passes behind {called}"] if travels else []
    yield Proposal(
        choice(rng, words),
        "relations",
        "in-front" if in_front else "behind",
        (other,),
        around,
        f"In {span(Window(int(frames[0]), int(frames[-1]) + 1))} {name(seen, mover)} "
        f"hides part of {name(seen, rest)}.",
        f"Nothing else ever overlaps {name(seen, anchor)}.",
        anchors=(anchor,),
    )
