"""Scores a candidate on one constraint: a score in [0, 1] and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from videoseg.types import BoolArray
from videoseg_attributes.grounding.language import (
    ColorIs,
    EventIs,
    MotionIs,
    NameIs,
    Phases,
    PositionIs,
    SizeIs,
)
from videoseg_attributes.grounding.language.plan import (
    ColorWord,
    Direction,
    Event,
    Place,
    VideoPart,
)
from videoseg_attributes.grounding.measurements import MeasuredCandidate, Side, ramp
from videoseg_attributes.vision.color import brighten_histogram, color_share, describe_colors

__all__ = [
    "Verdict",
    "compare_colors",
    "locate_event",
    "score_color",
    "score_event",
    "score_motion",
    "score_name",
    "score_phases",
    "score_position",
    "score_size",
    "select_positions",
]

_SIDES: tuple[Side, ...] = ("left", "right", "up", "down")
_UNCOLORED = frozenset({"black", "white", "grey", "silver"})
_BACK: dict[Side, Side] = {"left": "right", "right": "left", "up": "down", "down": "up"}

# Thresholds. A pair is (low, high) of ``ramp``: the score is 0 up to low and 1 from high. They
# were set by hand while looking at drawn clips (seeds below 5000 of
# tests/benchmarks/attributes_synthetic.py) and at the seven real clips of
# tests/benchmarks/attributes_mevis_mini.py. None was measured separately.
_Ramp: TypeAlias = tuple[float, float]
_UNDECIDED = 0.6  # score where there is nothing to compare with: accepted, but not preferred
_TINY = 1e-6  # keeps ratios finite

# Names: scores of a detector, and what they are worth. That of 0.3 is where published detectors
# draw the line; less is taken only if nothing else fits.
_NAME_SCORES, _NAME_VERDICTS = (0.0, 0.1, 0.3, 0.8), (0.0, 0.4, 0.5, 1.0)

# Color: fractions of the candidate's pixels.
_PART_COLOR: _Ramp = (0.03, 0.12)  # "with a red hat": a small part has the color
_MAIN_COLOR: _Ramp = (0.14, 0.4)  # "the red car": windows, wheels and shade have other colors
_MAIN_COLOR_WEIGHT, _MORE_COLOR_WEIGHT = 0.85, 0.15  # above the ramp, more of it is preferred
_EACH_COLOR: _Ramp = (0.02, 0.1)  # "black and white": each color shows
_ALL_COLORS: _Ramp = (0.25, 0.6)  # ... and together they cover most of it
_ALL_COLORS_WEIGHT, _MORE_COLORS_WEIGHT = 0.8, 0.2  # as for one color
_BRIGHTENED_WEIGHT = 0.95  # colors that fit only after correcting for shade

# Size: logarithm of the ratio to the others' median.
_RELATIVE_SIZE: _Ramp = (-0.4, 0.5)

# Place: fractions of the frame's width and height.
_SIDE_LIMIT = 0.75  # nothing beyond is "on the left"; mirrored for the right
_SIDE: _Ramp = (0.0, 0.5)  # how far before that limit
_CENTER_RADIUS = 0.45  # distance from the middle at which the score is 0
_CENTER: _Ramp = (0.0, 0.4)  # what is left of that distance
_CENTER_VERTICAL_WEIGHT = 0.7  # people say "in the middle" mostly of the horizontal place
_CORNER: _Ramp = (0.1, 0.3)  # distance from the middle along both axes
_EDGE: _Ramp = (0.2, 0.4)  # distance from the middle along one axis
_NEARER: _Ramp = (-0.15, 0.15)  # ``estimate_nearness`` above the others' median

# Motion: displacements in frame diagonals, speeds in diagonals per second.
_MOVING_FROM = 0.018  # displacement up to which a candidate stands still
# Displacement from which it moves for sure: of the farthest candidate's, at least, at most.
_MOVING_FULLY, _MOVING_FULLY_LEAST, _MOVING_FULLY_MOST = 0.22, 0.05, 0.1
_INNER_MOTION: _Ramp = (0.015, 0.06)  # motion energy: it moves, perhaps without going anywhere
_INNER_IS_MOVING, _INNER_IS_NOT_STILL, _GOING_IS_IN_PLACE = 0.9, 0.35, 0.8  # weights
_THERE_AND_BACK: _Ramp = (0.04, 0.12)  # path extent in both directions, fraction of the frame
_GROWTH: _Ramp = (0.05, 0.3)  # log of late over early area
_FAST_ALONE: _Ramp = (0.05, 0.2)  # speed, where there is nothing to compare it with
_RELATIVE_SPEED: _Ramp = (-0.3, 0.5)  # log of the ratio to the others' median speed
_SPEED_NOISE = 0.01  # added to both speeds of that ratio
_ACROSS: _Ramp = (0.06, 0.16)  # path extent in any direction, fraction of the frame
_DEPTH_MOTION: _Ramp = (0.015, 0.05)  # displacement or motion energy of what comes or goes away
_DEPTH_GROWTH: _Ramp = (-0.15, 0.25)  # log of late over early area; nearer is larger
_WAY: _Ramp = (0.03, 0.17)  # path extent in the named direction, fraction of the frame
_WAY_OF_BOTH: _Ramp = (0.35, 0.75)  # ... as a fraction of the way there and back
_WAY_OVER_ASTRAY: _Ramp = (0.35, 1.0)  # ... over the way at a right angle to it
_LEAST_LISTED = 0.03  # path extents below this are left out of the explanation

# Time: fractions of the surveyed frames.
_PART_LENGTH = 0.34  # "at the end" is the last third
_EVENT_MOTION: _Ramp = (0.015, 0.05)  # displacement of what starts or stops moving
_MOVES_THROUGHOUT = 0.3  # factor for what starts at the first, or stops at the last frame
_EARLY_BEFORE = 0.75  # nothing later is "at the beginning"
_EARLY: _Ramp = (0.0, 0.4)  # how long before that
_LATE: _Ramp = (0.25, 0.6)  # "at the end"
_MIDWAY_RADIUS = 0.45  # nothing farther from the middle is "halfway"
_MIDWAY: _Ramp = (0.0, 0.25)  # how far within that
_EVENT_SIDE: _Ramp = (0.4, 0.75)  # "from the left": place of the center when it happens


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well a candidate meets one constraint.

    Args:
        score: 0 if it contradicts the constraint, 1 if it meets it.
        measured: What was measured, in words.
    """

    score: float
    measured: str

    def denied(self) -> Verdict:
        """Return the verdict on the negated constraint."""
        return Verdict(1.0 - self.score, self.measured)


def select_positions(count: int, part: VideoPart, *, share: float = _PART_LENGTH) -> BoolArray:
    """Return which of the surveyed frames lie in a part of the survey, shape (P,)."""
    place = np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5])
    if part == "start":
        chosen = place <= share
    elif part == "end":
        chosen = place >= 1 - share
    else:
        chosen = np.abs(place - 0.5) <= share / 2
    return np.asarray(chosen if chosen.any() else np.ones(count, dtype=bool))


def score_name(candidate: MeasuredCandidate, constraint: NameIs) -> Verdict:
    """Score by how surely a detector found the candidate as this."""
    found = candidate.names.get(constraint.words, 0.0)
    score = float(np.interp(found, _NAME_SCORES, _NAME_VERDICTS))
    return Verdict(score, f"the detector's score is {found:.2f}")


# -- color ----------------------------------------------------------------------------------


def score_color(candidate: MeasuredCandidate, constraint: ColorIs) -> Verdict:
    """Score by the fraction of the candidate's pixels that have the colors."""
    shares = [_color_fraction(candidate, color) for color in constraint.colors]
    listed = ", ".join(
        f"{color} {share:.2f}" for color, share in zip(constraint.colors, shares, strict=True)
    )
    if constraint.part:
        scores = [ramp(share, *_PART_COLOR) for share in shares]
    elif len(shares) > 1 and not constraint.any_of:
        scores = [_score_patches(shares)]
        if all(color.name in _UNCOLORED for color in constraint.colors):
            lit = brighten_histogram(candidate.colors)
            bright = [color_share(lit, c.name, shade=c.shade) for c in constraint.colors]
            scores = [max(scores[0], _BRIGHTENED_WEIGHT * _score_patches(bright))]
    else:
        scores = [
            _MAIN_COLOR_WEIGHT * ramp(share, *_MAIN_COLOR) + _MORE_COLOR_WEIGHT * share
            for share in shares
        ]
    score = max(scores) if constraint.any_of else min(scores)
    return Verdict(score, f"{listed}, overall {describe_colors(candidate.colors)}")


def compare_colors(
    candidate: MeasuredCandidate, constraint: ColorIs, pool: Sequence[MeasuredCandidate]
) -> float:
    """Return how much of the colors a candidate has beside others, in [0, 1].

    Of two dark dogs "the grey one" is the one with more grey, though it may be mostly black.
    """
    relative = []
    for color in constraint.colors:
        shares = [_lit_fraction(other, color) for other in pool]
        relative.append(_lit_fraction(candidate, color) / max(_TINY, *shares))
    return float(np.mean(relative))


def _lit_fraction(candidate: MeasuredCandidate, color: ColorWord) -> float:
    lit = brighten_histogram(candidate.colors) if color.name in _UNCOLORED else candidate.colors
    own = _color_fraction(candidate, color)
    return max(own, color_share(lit, color.name, shade=color.shade))


def _score_patches(shares: Sequence[float]) -> float:
    """Score several colors together: each is present, and together they cover most pixels."""
    covered = sum(shares)
    together = _ALL_COLORS_WEIGHT * ramp(covered, *_ALL_COLORS)
    together += _MORE_COLORS_WEIGHT * min(1.0, covered)
    return min(together, *(ramp(share, *_EACH_COLOR) for share in shares))


def _color_fraction(candidate: MeasuredCandidate, color: ColorWord) -> float:
    return color_share(candidate.colors, color.name, shade=color.shade)


# -- size and position --------------------------------------------------------------------------


def score_size(
    candidate: MeasuredCandidate, constraint: SizeIs, others: Sequence[MeasuredCandidate]
) -> Verdict:
    """Score large and small against the other candidates."""

    def measure(item: MeasuredCandidate) -> float:
        if constraint.dimension == "area":
            return item.size
        return item.extent(0 if constraint.dimension == "width" else 1)

    mine = measure(candidate)
    rest = [measure(other) for other in others if other is not candidate]
    unit = f"{constraint.dimension} {mine:.3f}"
    if not rest or mine <= 0:
        return Verdict(_UNDECIDED, f"{unit}, no other candidate to compare it with")
    ratio = float(np.log(mine / max(_TINY, float(np.median(rest)))))
    score = ramp(ratio if constraint.large else -ratio, *_RELATIVE_SIZE)
    return Verdict(score, f"{unit}, {np.exp(ratio):.1f} times the others' median")


def score_position(
    candidate: MeasuredCandidate,
    constraint: PositionIs,
    positions: BoolArray | None,
    others: Sequence[MeasuredCandidate] = (),
) -> Verdict:
    """Score by the candidate's mean center over some surveyed frames."""
    center = candidate.center(positions)
    if center is None:
        return Verdict(0.0, "not visible then")
    x, y = center
    scores = [_score_place(place, candidate, x, y, others) for place in constraint.places]
    return Verdict(min(scores), f"center at {x:.2f} of the width, {y:.2f} of the height")


def _score_place(
    place: Place,
    candidate: MeasuredCandidate,
    x: float,
    y: float,
    others: Sequence[MeasuredCandidate],
) -> float:
    match place:
        case "left":
            return ramp(_SIDE_LIMIT - x, *_SIDE)
        case "right":
            return ramp(x - (1 - _SIDE_LIMIT), *_SIDE)
        case "top":
            return ramp(_SIDE_LIMIT - y, *_SIDE)
        case "bottom":
            return ramp(y - (1 - _SIDE_LIMIT), *_SIDE)
        case "center":
            away = max(abs(x - 0.5), _CENTER_VERTICAL_WEIGHT * abs(y - 0.5))
            return ramp(_CENTER_RADIUS - away, *_CENTER)
        case "corner":
            return ramp(min(abs(x - 0.5), abs(y - 0.5)), *_CORNER)
        case "edge":
            return ramp(max(abs(x - 0.5), abs(y - 0.5)), *_EDGE)
        case "front" | "back":
            nearness = [estimate_nearness(other) for other in others if other is not candidate]
            if not nearness:
                return _UNDECIDED
            ahead = estimate_nearness(candidate) - float(np.median(nearness))
            return ramp(ahead if place == "front" else -ahead, *_NEARER)


def estimate_nearness(candidate: MeasuredCandidate) -> float:
    """Return how near the camera it seems: near objects are large and low in the frame."""
    bottom = float(np.nanmedian(candidate.boxes[candidate.visible, 3]))
    return 0.5 * bottom + float(np.sqrt(candidate.size))


# -- motion ----------------------------------------------------------------------------------


def score_motion(
    candidate: MeasuredCandidate,
    constraint: MotionIs,
    positions: BoolArray | None,
    others: Sequence[MeasuredCandidate],
) -> Verdict:
    """Score whether and in which direction it moves, over some surveyed frames."""
    if constraint.direction is not None and constraint.manner not in ("growing", "shrinking"):
        return _score_direction(candidate, constraint.direction, positions)
    displacement = candidate.displacement_over(positions)
    # Next to something that moves far, a small drift counts as standing still.
    farthest = max((other.displacement for other in others), default=0.0)
    far = max(_MOVING_FULLY_LEAST, _MOVING_FULLY * farthest)
    going = ramp(displacement, _MOVING_FROM, min(_MOVING_FULLY_MOST, far))
    energy = ramp(candidate.motion_energy, *_INNER_MOTION)
    measured = f"moves {displacement:.2f} frame diagonals, at {candidate.speed:.2f} per second"
    match constraint.manner:
        case "moving":
            return Verdict(max(going, _INNER_IS_MOVING * energy), measured)
        case "still":
            return Verdict((1 - going) * (1 - _INNER_IS_NOT_STILL * energy), measured)
        case "in place":
            score = max(energy, _GOING_IS_IN_PLACE * going)
            return Verdict(
                score, f"{measured}, motion within it {candidate.motion_energy:.2f} per second"
            )
        case "fast" | "slow":
            return _score_pace(candidate, constraint.manner == "fast", max(going, energy), others)
        case "turning back":
            ways = {side: candidate.path_extent(side, positions) for side in _SIDES}
            there_and_back = max(min(ways["left"], ways["right"]), min(ways["up"], ways["down"]))
            return Verdict(
                ramp(there_and_back, *_THERE_AND_BACK),
                f"moves back and forth by {there_and_back:.2f}",
            )
        case "growing" | "shrinking":
            growth = candidate.growth if constraint.manner == "growing" else -candidate.growth
            change = f"its size changes by a factor of {np.exp(candidate.growth):.2f}"
            return Verdict(ramp(growth, *_GROWTH), change)


def _score_pace(
    candidate: MeasuredCandidate, fast: bool, moving: float, others: Sequence[MeasuredCandidate]
) -> Verdict:
    rest = [other.speed for other in others if other is not candidate]
    measured = f"{candidate.speed:.3f} frame diagonals per second"
    if not rest:
        return Verdict(ramp(candidate.speed, *_FAST_ALONE) if fast else moving, measured)
    usual = float(np.median(rest))
    ratio = float(np.log((candidate.speed + _SPEED_NOISE) / (usual + _SPEED_NOISE)))
    relative = ramp(ratio if fast else -ratio, *_RELATIVE_SPEED)
    return Verdict(min(moving, relative) if fast else relative, measured)


def _score_direction(
    candidate: MeasuredCandidate, direction: Direction, positions: BoolArray | None
) -> Verdict:
    if direction == "across":
        way = max(candidate.path_extent(side, positions) for side in _SIDES)
        return Verdict(ramp(way, *_ACROSS), f"moves {way:.2f} of the frame")
    if direction in ("towards", "away"):
        growth = candidate.growth if direction == "towards" else -candidate.growth
        moving = ramp(max(candidate.displacement, candidate.motion_energy), *_DEPTH_MOTION)
        score = min(max(moving, _UNDECIDED), ramp(growth, *_DEPTH_GROWTH))
        return Verdict(score, f"its size changes by a factor of {np.exp(candidate.growth):.2f}")
    along = cast(Side, direction)
    ways = {side: candidate.path_extent(side, positions) for side in _SIDES}
    way, back = ways[along], ways[_BACK[along]]
    across = [side for side in _SIDES if side not in (along, _BACK[along])]
    scale = 1 / candidate.aspect if direction in ("left", "right") else candidate.aspect
    astray = max(ways[side] for side in across) * scale
    score = min(
        ramp(way, *_WAY),
        ramp(way / (way + back + _TINY), *_WAY_OF_BOTH),
        ramp(way / (astray + _TINY), *_WAY_OVER_ASTRAY),
    )
    listed = ", ".join(
        f"{side} {ways[side]:.2f}" for side in _SIDES if ways[side] >= _LEAST_LISTED
    )
    seconds = max(
        _TINY,
        float(np.ptp(candidate.times[candidate.visible])) if candidate.visible.any() else 0.0,
    )
    pace = f", {way / seconds:.2f} of the frame per second" if way >= _LEAST_LISTED else ""
    return Verdict(score, f"moves {listed}{pace}" if listed else "does not move")


def score_phases(
    candidate: MeasuredCandidate, constraint: Phases, others: Sequence[MeasuredCandidate]
) -> Verdict:
    """Score motions or places one after the other, at the frame that divides them best."""
    shown = np.flatnonzero(candidate.visible)
    steps = constraint.steps
    if len(shown) < 2 * len(steps):
        return Verdict(0.0, "visible too briefly for one motion after another")
    best, where = 0.0, ""
    for split in range(2, len(shown) - 1):
        bounds = [0, split, len(shown)]
        if len(steps) > 2:  # further steps share the later part evenly
            bounds = [int(b) for b in np.linspace(0, len(shown), len(steps) + 1)]
        scores = []
        for step, start, stop in zip(steps, bounds, bounds[1:], strict=False):
            positions = np.zeros(len(candidate.visible), dtype=bool)
            positions[shown[start:stop]] = True
            verdict = (
                score_motion(candidate, step, positions, others)
                if isinstance(step, MotionIs)
                else score_position(candidate, step, positions, others)
            )
            scores.append(1 - verdict.score if step.negated else verdict.score)
        if min(scores) > best:
            best, where = min(scores), f"changes at frame {int(candidate.frames[shown[split]])}"
    return Verdict(best, where or "no frame separates the two")


# -- events ----------------------------------------------------------------------------------


def locate_event(candidate: MeasuredCandidate, event: Event) -> float | None:
    """Return where in the survey an event happens to a candidate, or None if it does not.

    Half positions lie between two surveyed frames.
    """
    match event:
        case "appears":
            return candidate.first - 0.5 if candidate.enters else None
        case "leaves":
            return candidate.last + 0.5 if candidate.exits else None
        case "returns":
            return candidate.gaps[-1][1] - 0.5 if candidate.gaps else None
        case "hidden":
            return candidate.gaps[0][0] - 0.5 if candidate.gaps else None
        case "present":
            return float(candidate.first)
        case "starts" | "stops":
            moves = candidate.find_moving() & candidate.visible
            if not moves.any():
                return None
            positions = np.flatnonzero(moves)
            if event == "starts":
                return float(positions[0])
            last = int(positions[-1])
            return float(last) if last < candidate.last else None


def score_event(candidate: MeasuredCandidate, constraint: EventIs) -> Verdict:
    """Score whether an event happens to a candidate; the caller scores its order."""
    count = len(candidate.visible)
    when = constraint.when
    part = when.part if when is not None else None
    if constraint.event in ("present", "hidden") and part is not None:
        return _score_presence(candidate, part, wanted=constraint.event == "present")
    position = locate_event(candidate, constraint.event)
    first, last = (int(candidate.frames[p]) for p in (candidate.first, candidate.last))
    span = f"visible on frames {first} to {last}"
    if candidate.gaps:
        away = ", ".join(
            f"{int(candidate.frames[a])}-{int(candidate.frames[b])}" for a, b in candidate.gaps
        )
        span += f", away on frames {away}"
    if constraint.event == "present" and position is not None:
        return Verdict(1.0, span)
    if position is None:
        return Verdict(0.0, span)
    score = 1.0
    if constraint.event in ("returns", "hidden"):
        score = max(candidate.score_gap(start, stop) for start, stop in candidate.gaps)
    elif constraint.event in ("starts", "stops"):
        moves = ramp(candidate.displacement, *_EVENT_MOTION)
        edge = position > 1 if constraint.event == "starts" else position < candidate.last - 1
        score = moves if edge else _MOVES_THROUGHOUT * moves
    if constraint.side is not None:
        score *= _score_side(candidate, constraint)
    if part is not None:
        score *= _score_timing(position / max(1, count - 1), part)
    return Verdict(score, span)


def _score_presence(candidate: MeasuredCandidate, part: VideoPart, *, wanted: bool) -> Verdict:
    if part == "middle":
        chosen = select_positions(len(candidate.visible), part)
        share = float(candidate.visible[chosen].mean())
    else:
        share = float(candidate.visible[0 if part == "start" else -1])
    state = "visible" if share > 0.5 else "not visible"
    return Verdict(share if wanted else 1 - share, f"{state} at the {part}")


def _score_timing(place: float, part: VideoPart) -> float:
    if part == "start":
        return ramp(_EARLY_BEFORE - place, *_EARLY)
    if part == "end":
        return ramp(place, *_LATE)
    return ramp(_MIDWAY_RADIUS - abs(place - 0.5), *_MIDWAY)


def _score_side(candidate: MeasuredCandidate, constraint: EventIs) -> float:
    """Return how near the named side it is when the event happens."""
    position = {"appears": candidate.first, "leaves": candidate.last}.get(
        constraint.event, candidate.first
    )
    x, y = (float(value) for value in candidate.centers[position])
    along = {"left": 1 - x, "right": x, "top": 1 - y, "bottom": y}.get(constraint.side or "", 0.5)
    return ramp(along, *_EVENT_SIDE)
