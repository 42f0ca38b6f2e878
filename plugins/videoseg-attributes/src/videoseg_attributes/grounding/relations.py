"""Scores a candidate on its relation to others: a score in [0, 1] and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.types import BoolArray, FloatArray
from videoseg_attributes.grounding.constraint_scores import Verdict, estimate_nearness
from videoseg_attributes.grounding.language.plan import RelationKind
from videoseg_attributes.grounding.measurements import MeasuredCandidate, ramp

__all__ = ["Contacts", "measure_distance", "score_relation"]

# Thresholds, set by hand like those of ``constraint_scores``. Lengths are in units of the frame's
# height, speeds in frame diagonals per second; a pair is (low, high) of ``ramp``.
_TINY = 1e-6  # keeps ratios finite
_TOUCHING = 0.06  # gap above which nothing meets
_TOUCH = (0.0, 0.05)  # how far below that
_AHEAD_FROM, _AHEAD_OVER = 0.01, 0.1  # distance along the named side: from, and over how much
_STRAIGHT_FROM, _STRAIGHT_OVER = 0.3, 0.5  # ... and its ratio to the distance across
_NEAR_LIMIT = 1.2  # nothing farther away is near
_NEAR = (0.0, 0.9)  # how far within that limit
_NEAREST = (0.4, 1.0)  # gap of the nearest candidate over the gap of this one
_GAP_NOISE = 0.02  # added to both gaps of that ratio
_NEVER_OVERLAPPED = 0.1  # score of "hides" where no overlap was seen
_SEEMS_NEARER, _SEEMS_NEARER_WEIGHT = (-0.1, 0.2), 0.75  # ``estimate_nearness`` alone is weak
_AT_HAND = 0.05  # gap above which nothing is held, ridden or led
_BELOW = 0.6  # of the reference's height by which the lower edge of what is on it lies lower
_BETWEEN_MARGIN = 0.15  # of the line between both, at either end
_CLOSING = (0.0, 0.15)  # how much a gap shrinks (or grows) over the survey
_OWN_SPEED = (-0.005, 0.02)  # its own speed towards (or away from) the other
_LEAST_SPEEDS = 1e-5  # product of two speeds below which they have no common direction
_LEAST_SHARED = 3  # surveyed frames that must show both
_SAME_WAY = (0.2, 0.8)  # cosine between both directions
_NOT_BEHIND = 0.2  # score of "follows" for what is ahead
_SPEED_NOISE = 0.005  # added to both speeds that are compared
_FURTHER = (-0.04, 0.06)  # difference of the centers, fraction of the frame
_RATIO = (-0.15, 0.2)  # log of the ratio of two sizes, heights, widths or speeds


@dataclass(frozen=True, slots=True)
class Contacts:
    """Which candidates cover which, as pairs (front, behind) of ids."""

    pairs: frozenset[tuple[int, int]]

    def hides(self, front: MeasuredCandidate, behind: MeasuredCandidate) -> bool:
        """Return whether one was seen in front of the other."""
        return (front.candidate_id, behind.candidate_id) in self.pairs


def measure_distance(
    candidate: MeasuredCandidate, other: MeasuredCandidate, positions: BoolArray | None = None
) -> float:
    """Return the usual gap between two candidates, in units of the frame's height.

    Half from center to center and half from box to box: people use either.
    """
    both = _find_shared(candidate, other, positions)
    if not both.any():
        return float("inf")
    offsets = (candidate.centers[both] - other.centers[both]) * (candidate.aspect, 1.0)
    centers = np.hypot(*offsets.T)
    gaps = _box_gaps(candidate, other, both)
    return float(np.median(0.5 * centers + 0.5 * gaps))


def score_relation(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    references: Sequence[MeasuredCandidate],
    *,
    others: Sequence[MeasuredCandidate],
    contacts: Contacts,
    positions: BoolArray | None = None,
) -> Verdict:
    """Score one relation to one or more references; all of them must hold.

    Args:
        candidate: The candidate to score.
        relation: The relation.
        references: What it is related to.
        others: Every candidate, for relations that compare ("next to").
        contacts: Which candidates cover which.
        positions: The surveyed frames that count, shape (P,).
    """
    if relation == "between" and len(references) >= 2:
        return _score_between(candidate, references, positions)
    verdicts = [
        _score_one(candidate, relation, reference, others, contacts, positions)
        for reference in references
    ]
    worst = min(verdicts, key=lambda verdict: verdict.score)
    return Verdict(worst.score, "; ".join(verdict.measured for verdict in verdicts))


def _score_one(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    reference: MeasuredCandidate,
    others: Sequence[MeasuredCandidate],
    contacts: Contacts,
    positions: BoolArray | None,
) -> Verdict:
    if reference is candidate:
        return Verdict(0.0, f"it is {reference.name} itself")
    match relation:
        case "left of" | "right of" | "above" | "below":
            return _score_side(candidate, relation, reference, positions)
        case "near" | "far from":
            return _score_nearness(candidate, relation, reference, others, positions)
        case "hides" | "in front of":
            return _score_depth(candidate, reference, contacts, strict=relation == "hides")
        case "hidden by" | "behind":
            return _score_depth(reference, candidate, contacts, strict=relation == "hidden by")
        case "meets":
            gap = float(_gaps(candidate, reference, positions).min(initial=np.inf))
            return Verdict(
                ramp(_TOUCHING - gap, *_TOUCH), f"smallest gap {gap:.2f} of the frame height"
            )
        case "on" | "with":
            return _score_contact(candidate, relation, reference, positions)
        case "inside":
            return _score_inside(candidate, reference, positions)
        case "approaches" | "recedes from" | "follows":
            return _score_heading(candidate, relation, reference, positions)
        case _:
            return _score_comparison(candidate, relation, reference, positions)


def _score_side(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    reference: MeasuredCandidate,
    positions: BoolArray | None,
) -> Verdict:
    both = _find_shared(candidate, reference, positions)
    if not both.any():
        return Verdict(0.0, f"never visible together with {reference.name}")
    offsets = (candidate.centers[both] - reference.centers[both]) * (candidate.aspect, 1.0)
    axis = 0 if relation in ("left of", "right of") else 1
    sign = 1.0 if relation in ("right of", "below") else -1.0
    along = sign * offsets[:, axis]
    across = np.abs(offsets[:, 1 - axis])
    ahead = np.clip((along - _AHEAD_FROM) / _AHEAD_OVER, 0, 1)
    straight = np.clip((along / (across + _TINY) - _STRAIGHT_FROM) / _STRAIGHT_OVER, 0, 1)
    score = float(np.mean(np.minimum(ahead, straight)))
    return Verdict(
        score, f"{np.median(along):+.2f} of the frame height {relation} {reference.name}"
    )


def _score_nearness(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    reference: MeasuredCandidate,
    others: Sequence[MeasuredCandidate],
    positions: BoolArray | None,
) -> Verdict:
    mine = measure_distance(candidate, reference, positions)
    if not np.isfinite(mine):
        return Verdict(0.0, f"never visible together with {reference.name}")
    measured = f"{mine:.2f} of the frame height from {reference.name}"
    known = [
        measure_distance(other, reference, positions) for other in others if other is not reference
    ]
    known = [value for value in known if np.isfinite(value)]
    close = ramp(_NEAR_LIMIT - mine, *_NEAR)
    if relation == "far from":
        return Verdict(1 - close, measured)
    # "Next to" is said of the nearest, even where it is not very near.
    nearest = min(known, default=mine)
    ratio = (nearest + _GAP_NOISE) / (mine + _GAP_NOISE)
    return Verdict(min(close, ramp(ratio, *_NEAREST)), measured)


def _score_depth(
    front: MeasuredCandidate, behind: MeasuredCandidate, contacts: Contacts, *, strict: bool
) -> Verdict:
    if contacts.hides(front, behind):
        return Verdict(1.0, f"{front.name} covers part of {behind.name}")
    if contacts.hides(behind, front):
        return Verdict(0.0, f"{behind.name} covers part of {front.name}")
    if strict:
        return Verdict(_NEVER_OVERLAPPED, f"{front.name} and {behind.name} never overlap")
    ahead = estimate_nearness(front) - estimate_nearness(behind)
    score = _SEEMS_NEARER_WEIGHT * ramp(ahead, *_SEEMS_NEARER)
    return Verdict(score, f"{front.name} seems {ahead:+.2f} nearer")


def _score_between(
    candidate: MeasuredCandidate,
    references: Sequence[MeasuredCandidate],
    positions: BoolArray | None,
) -> Verdict:
    first, second = references[0], references[1]
    both = _find_shared(candidate, first, positions) & second.visible
    if not both.any() or candidate in (first, second):
        return Verdict(0.0, f"never visible together with {first.name} and {second.name}")
    a, b = first.centers[both], second.centers[both]
    line, off = b - a, candidate.centers[both] - a
    length = np.maximum(_TINY, (line**2).sum(axis=1))
    along = (line * off).sum(axis=1) / length
    across = np.abs(line[:, 0] * off[:, 1] - line[:, 1] * off[:, 0]) / length
    inside = np.clip((0.5 - np.abs(along - 0.5)) / _BETWEEN_MARGIN, 0, 1)
    score = float(np.mean(np.minimum(inside, np.clip((1.0 - across) / 0.5, 0, 1))))
    return Verdict(score, f"{np.median(along):.2f} of the way from {first.name} to {second.name}")


def _score_inside(
    candidate: MeasuredCandidate, reference: MeasuredCandidate, positions: BoolArray | None
) -> Verdict:
    both = _find_shared(candidate, reference, positions)
    if not both.any():
        return Verdict(0.0, f"never visible together with {reference.name}")
    boxes, center = reference.boxes[both], candidate.centers[both]
    held = ((center >= boxes[:, :2]) & (center <= boxes[:, 2:])).all(axis=1)
    return Verdict(float(held.mean()), f"inside the box of {reference.name} {held.mean():.2f}")


def _score_contact(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    reference: MeasuredCandidate,
    positions: BoolArray | None,
) -> Verdict:
    """Score how much of the time both touch; what is on something is not below it."""
    both = _find_shared(candidate, reference, positions)
    if not both.any():
        return Verdict(0.0, f"never visible together with {reference.name}")
    gaps = _box_gaps(candidate, reference, both)
    touching = np.clip((_AT_HAND - gaps) / _AT_HAND, 0, 1)
    measured = f"touches {reference.name} {float((gaps <= 0).mean()):.2f} of the time"
    if relation == "on":
        lower = candidate.boxes[both, 3] - reference.boxes[both, 3]
        height = reference.boxes[both, 3] - reference.boxes[both, 1]
        touching *= np.clip((_BELOW - lower / np.maximum(_TINY, height)) / _BELOW, 0, 1)
    return Verdict(float(touching.mean()), measured)


def _score_heading(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    reference: MeasuredCandidate,
    positions: BoolArray | None,
) -> Verdict:
    both = _find_shared(candidate, reference, positions)
    if both.sum() < _LEAST_SHARED:
        return Verdict(0.0, f"rarely visible together with {reference.name}")
    offsets = (reference.centers[both] - candidate.centers[both]) * (candidate.aspect, 1.0)
    gaps = np.hypot(*offsets.T)
    closing = float(gaps[0] - gaps[-1])
    # Its own motion counts: a stone approaches nothing.
    velocities = np.nan_to_num(candidate.velocities[both])
    toward = (velocities * offsets).sum(axis=1) / np.maximum(_TINY, gaps)
    own = float(np.mean(toward))
    measured = f"its gap to {reference.name} shrinks by {closing:.2f}, own speed {own:+.3f}"
    if relation == "recedes from":
        return Verdict(min(ramp(-closing, *_CLOSING), ramp(-own, *_OWN_SPEED)), measured)
    if relation == "approaches":
        return Verdict(min(ramp(closing, *_CLOSING), ramp(own, *_OWN_SPEED)), measured)
    theirs = np.nan_to_num(reference.velocities[both]).mean(axis=0)
    mine = velocities.mean(axis=0)
    speed = float(np.hypot(*mine) * np.hypot(*theirs))
    same_way = float(mine @ theirs) / speed if speed > _LEAST_SPEEDS else 0.0
    behind = float(offsets.mean(axis=0) @ mine)
    score = min(ramp(same_way, *_SAME_WAY), 1.0 if behind > 0 else _NOT_BEHIND)
    return Verdict(
        score, f"moves in the direction of {reference.name} ({same_way:+.2f}), {measured}"
    )


def _score_comparison(
    candidate: MeasuredCandidate,
    relation: RelationKind,
    reference: MeasuredCandidate,
    positions: BoolArray | None,
) -> Verdict:
    def center(item: MeasuredCandidate, axis: int) -> float:
        place = item.center(positions)
        return place[axis] if place is not None else 0.5

    match relation:
        case "larger than" | "smaller than":
            mine, theirs, what = candidate.size, reference.size, "size"
        case "taller than" | "shorter than":
            mine, theirs, what = candidate.extent(1), reference.extent(1), "height"
        case "wider than":
            mine, theirs, what = candidate.extent(0), reference.extent(0), "width"
        case "faster than" | "slower than":
            mine, theirs, what = candidate.speed, reference.speed, "speed"
            mine, theirs = mine + _SPEED_NOISE, theirs + _SPEED_NOISE
        case "nearer than":
            mine, theirs, what = (
                estimate_nearness(candidate),
                estimate_nearness(reference),
                "nearness",
            )
        case _:
            axis = 0 if relation in ("further left than", "further right than") else 1
            sign = 1.0 if relation in ("further right than", "lower than") else -1.0
            ahead = sign * (center(candidate, axis) - center(reference, axis))
            return Verdict(ramp(ahead, *_FURTHER), f"{ahead:+.2f} against {reference.name}")
    ratio = float(np.log(max(mine, _TINY) / max(theirs, _TINY)))
    if relation in ("smaller than", "shorter than", "slower than"):
        ratio = -ratio
    return Verdict(
        ramp(ratio, *_RATIO), f"{what} {mine:.3f} against {theirs:.3f} of {reference.name}"
    )


def _find_shared(
    candidate: MeasuredCandidate, other: MeasuredCandidate, positions: BoolArray | None
) -> BoolArray:
    both = candidate.visible & other.visible
    return np.asarray(both if positions is None else both & positions)


def _gaps(
    candidate: MeasuredCandidate, other: MeasuredCandidate, positions: BoolArray | None
) -> FloatArray:
    both = _find_shared(candidate, other, positions)
    return _box_gaps(candidate, other, both)


def _box_gaps(
    candidate: MeasuredCandidate, other: MeasuredCandidate, both: BoolArray
) -> FloatArray:
    mine, theirs = candidate.boxes[both], other.boxes[both]
    apart = np.maximum(mine[:, :2] - theirs[:, 2:], theirs[:, :2] - mine[:, 2:])
    apart = np.maximum(apart, 0) * (candidate.aspect, 1.0)
    gaps: FloatArray = np.hypot(*apart.T)
    return gaps
