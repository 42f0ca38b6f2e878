"""How well a candidate fits one constraint: a score in [0, 1] and what was found."""

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
    "locate_event",
    "score_color",
    "score_event",
    "score_motion",
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
_MOVING_FULLY, _MOVING_FULLY_LEAST, _MOVING_FULLY_MOST = 0.22, 0.05, 0.1  # of the farthest mover's
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
    """How well one constraint fits.

    Args:
        score: 0 contradicts, 1 fits.
        measured: What was measured, for people.
    """

    score: float
    measured: str

    def denied(self) -> Verdict:
        """Return the verdict on the opposite."""
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


# -- color ----------------------------------------------------------------------------------


def score_color(track: MeasuredCandidate, constraint: ColorIs) -> Verdict:
    """Judge by the share of the candidate's pixels that have the colors."""
    shares = [_color_fraction(track, color) for color in constraint.colors]
    listed = ", ".join(
        f"{color} {share:.2f}" for color, share in zip(constraint.colors, shares, strict=True)
    )
    if constraint.part:
        scores = [ramp(share, *_PART_COLOR) for share in shares]
    elif len(shares) > 1 and not constraint.any_of:
        scores = [_score_patches(shares)]
        if all(color.name in _UNCOLORED for color in constraint.colors):
            lit = brighten_histogram(track.colors)
            bright = [color_share(lit, c.name, shade=c.shade) for c in constraint.colors]
            scores = [max(scores[0], _BRIGHTENED_WEIGHT * _score_patches(bright))]
    else:
        scores = [
            _MAIN_COLOR_WEIGHT * ramp(share, *_MAIN_COLOR) + _MORE_COLOR_WEIGHT * share
            for share in shares
        ]
    score = max(scores) if constraint.any_of else min(scores)
    return Verdict(score, f"{listed} (looks {describe_colors(track.colors)})")


def _score_patches(shares: Sequence[float]) -> float:
    """Score several colors together: each shows, and together they cover most of it."""
    covered = sum(shares)
    together = _ALL_COLORS_WEIGHT * ramp(covered, *_ALL_COLORS)
    together += _MORE_COLORS_WEIGHT * min(1.0, covered)
    return min(together, *(ramp(share, *_EACH_COLOR) for share in shares))


def _color_fraction(track: MeasuredCandidate, color: ColorWord) -> float:
    return color_share(track.colors, color.name, shade=color.shade)


# -- size and place --------------------------------------------------------------------------


def score_size(
    track: MeasuredCandidate, constraint: SizeIs, others: Sequence[MeasuredCandidate]
) -> Verdict:
    """Judge large and small beside the other candidates."""

    def measure(item: MeasuredCandidate) -> float:
        if constraint.dimension == "area":
            return item.size
        return item.extent(0 if constraint.dimension == "width" else 1)

    mine = measure(track)
    rest = [measure(other) for other in others if other is not track]
    unit = f"{constraint.dimension} {mine:.3f}"
    if not rest or mine <= 0:
        return Verdict(_UNDECIDED, f"{unit}, nothing to compare it with")
    ratio = float(np.log(mine / max(_TINY, float(np.median(rest)))))
    score = ramp(ratio if constraint.large else -ratio, *_RELATIVE_SIZE)
    return Verdict(score, f"{unit}, {np.exp(ratio):.1f} times the others' median")


def score_position(
    track: MeasuredCandidate,
    constraint: PositionIs,
    positions: BoolArray | None,
    others: Sequence[MeasuredCandidate] = (),
) -> Verdict:
    """Judge by the candidate's mean center over some surveyed frames."""
    center = track.center(positions)
    if center is None:
        return Verdict(0.0, "not there then")
    x, y = center
    scores = [_score_place(place, track, x, y, others) for place in constraint.places]
    return Verdict(min(scores), f"center at {x:.2f} of the width, {y:.2f} of the height")


def _score_place(
    place: Place, track: MeasuredCandidate, x: float, y: float, others: Sequence[MeasuredCandidate]
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
            nearness = [estimate_nearness(other) for other in others if other is not track]
            if not nearness:
                return _UNDECIDED
            ahead = estimate_nearness(track) - float(np.median(nearness))
            return ramp(ahead if place == "front" else -ahead, *_NEARER)


def estimate_nearness(track: MeasuredCandidate) -> float:
    """Return how near the camera it seems: what is near is large and stands low."""
    bottom = float(np.nanmedian(track.boxes[track.visible, 3]))
    return 0.5 * bottom + float(np.sqrt(track.size))


# -- motion ----------------------------------------------------------------------------------


def score_motion(
    track: MeasuredCandidate,
    constraint: MotionIs,
    positions: BoolArray | None,
    others: Sequence[MeasuredCandidate],
) -> Verdict:
    """Judge whether and where the candidate moves, over some surveyed frames."""
    if constraint.direction is not None and constraint.manner not in ("growing", "shrinking"):
        return _score_direction(track, constraint.direction, positions)
    displacement = track.displacement_over(positions)
    # Beside something that goes far, a little drift is standing still.
    farthest = max((other.displacement for other in others), default=0.0)
    far = max(_MOVING_FULLY_LEAST, _MOVING_FULLY * farthest)
    going = ramp(displacement, _MOVING_FROM, min(_MOVING_FULLY_MOST, far))
    energy = ramp(track.motion_energy, *_INNER_MOTION)
    measured = f"covers {displacement:.2f} diagonals at {track.speed:.2f} a second"
    match constraint.manner:
        case "moving":
            return Verdict(max(going, _INNER_IS_MOVING * energy), measured)
        case "still":
            return Verdict((1 - going) * (1 - _INNER_IS_NOT_STILL * energy), measured)
        case "in place":
            score = max(energy, _GOING_IS_IN_PLACE * going)
            return Verdict(score, f"{measured}, motion inside {track.motion_energy:.2f} a second")
        case "fast" | "slow":
            return _score_pace(track, constraint.manner == "fast", max(going, energy), others)
        case "turning back":
            ways = {side: track.path_extent(side, positions) for side in _SIDES}
            there_and_back = max(min(ways["left"], ways["right"]), min(ways["up"], ways["down"]))
            return Verdict(
                ramp(there_and_back, *_THERE_AND_BACK),
                f"goes there and back over {there_and_back:.2f}",
            )
        case "growing" | "shrinking":
            growth = track.growth if constraint.manner == "growing" else -track.growth
            change = f"size changes {np.exp(track.growth):.2f}-fold"
            return Verdict(ramp(growth, *_GROWTH), change)


def _score_pace(
    track: MeasuredCandidate, fast: bool, moving: float, others: Sequence[MeasuredCandidate]
) -> Verdict:
    rest = [other.speed for other in others if other is not track]
    measured = f"{track.speed:.3f} diagonals a second"
    if not rest:
        return Verdict(ramp(track.speed, *_FAST_ALONE) if fast else moving, measured)
    usual = float(np.median(rest))
    ratio = float(np.log((track.speed + _SPEED_NOISE) / (usual + _SPEED_NOISE)))
    relative = ramp(ratio if fast else -ratio, *_RELATIVE_SPEED)
    return Verdict(min(moving, relative) if fast else relative, measured)


def _score_direction(
    track: MeasuredCandidate, direction: Direction, positions: BoolArray | None
) -> Verdict:
    if direction == "across":
        way = max(track.path_extent(side, positions) for side in _SIDES)
        return Verdict(ramp(way, *_ACROSS), f"goes {way:.2f} of the picture")
    if direction in ("towards", "away"):
        growth = track.growth if direction == "towards" else -track.growth
        moving = ramp(max(track.displacement, track.motion_energy), *_DEPTH_MOTION)
        score = min(max(moving, _UNDECIDED), ramp(growth, *_DEPTH_GROWTH))
        return Verdict(score, f"size changes {np.exp(track.growth):.2f}-fold")
    along = cast(Side, direction)
    ways = {side: track.path_extent(side, positions) for side in _SIDES}
    way, back = ways[along], ways[_BACK[along]]
    across = [side for side in _SIDES if side not in (along, _BACK[along])]
    scale = 1 / track.aspect if direction in ("left", "right") else track.aspect
    astray = max(ways[side] for side in across) * scale
    score = min(
        ramp(way, *_WAY),
        ramp(way / (way + back + _TINY), *_WAY_OF_BOTH),
        ramp(way / (astray + _TINY), *_WAY_OVER_ASTRAY),
    )
    listed = ", ".join(
        f"{side} {ways[side]:.2f}" for side in _SIDES if ways[side] >= _LEAST_LISTED
    )
    seconds = max(_TINY, float(np.ptp(track.times[track.visible])) if track.visible.any() else 0.0)
    pace = f", {way / seconds:.2f} of the frame a second" if way >= _LEAST_LISTED else ""
    return Verdict(score, f"goes {listed or 'nowhere'}{pace}")


def score_phases(
    track: MeasuredCandidate, constraint: Phases, others: Sequence[MeasuredCandidate]
) -> Verdict:
    """Judge one thing after the other: the best division of its time is looked for."""
    shown = np.flatnonzero(track.visible)
    steps = constraint.steps
    if len(shown) < 2 * len(steps):
        return Verdict(0.0, "seen too briefly to do one thing after another")
    best, where = 0.0, ""
    for split in range(2, len(shown) - 1):
        bounds = [0, split, len(shown)]
        if len(steps) > 2:  # further steps share the later part evenly
            bounds = [int(b) for b in np.linspace(0, len(shown), len(steps) + 1)]
        scores = []
        for step, start, stop in zip(steps, bounds, bounds[1:], strict=False):
            positions = np.zeros(len(track.visible), dtype=bool)
            positions[shown[start:stop]] = True
            verdict = (
                score_motion(track, step, positions, others)
                if isinstance(step, MotionIs)
                else score_position(track, step, positions, others)
            )
            scores.append(1 - verdict.score if step.negated else verdict.score)
        if min(scores) > best:
            best, where = min(scores), f"turns at frame {int(track.frames[shown[split]])}"
    return Verdict(best, where or "no moment divides its time so")


# -- events ----------------------------------------------------------------------------------


def locate_event(track: MeasuredCandidate, event: Event) -> float | None:
    """Return where in the survey an event happens to a candidate, or None if it does not.

    Half positions lie between two surveyed frames.
    """
    match event:
        case "appears":
            return track.first - 0.5 if track.enters else None
        case "leaves":
            return track.last + 0.5 if track.exits else None
        case "returns":
            return track.gaps[-1][1] - 0.5 if track.gaps else None
        case "hidden":
            return track.gaps[0][0] - 0.5 if track.gaps else None
        case "present":
            return float(track.first)
        case "starts" | "stops":
            moves = track.find_moving() & track.visible
            if not moves.any():
                return None
            positions = np.flatnonzero(moves)
            if event == "starts":
                return float(positions[0])
            last = int(positions[-1])
            return float(last) if last < track.last else None


def score_event(track: MeasuredCandidate, constraint: EventIs) -> Verdict:
    """Judge whether something happens to a candidate; times are judged by the caller."""
    count = len(track.visible)
    when = constraint.when
    part = when.part if when is not None else None
    if constraint.event in ("present", "hidden") and part is not None:
        return _score_presence(track, part, wanted=constraint.event == "present")
    position = locate_event(track, constraint.event)
    span = f"seen on frames {int(track.frames[track.first])} to {int(track.frames[track.last])}"
    if track.gaps:
        away = ", ".join(f"{int(track.frames[a])}-{int(track.frames[b])}" for a, b in track.gaps)
        span += f", away {away}"
    if constraint.event == "present" and position is not None:
        return Verdict(1.0, span)
    if position is None:
        return Verdict(0.0, span)
    score = 1.0
    if constraint.event in ("returns", "hidden"):
        score = max(track.score_gap(start, stop) for start, stop in track.gaps)
    elif constraint.event in ("starts", "stops"):
        moves = ramp(track.displacement, *_EVENT_MOTION)
        edge = position > 1 if constraint.event == "starts" else position < track.last - 1
        score = moves if edge else _MOVES_THROUGHOUT * moves
    if constraint.side is not None:
        score *= _score_side(track, constraint)
    if part is not None:
        score *= _score_timing(position / max(1, count - 1), part)
    return Verdict(score, span)


def _score_presence(track: MeasuredCandidate, part: VideoPart, *, wanted: bool) -> Verdict:
    if part == "middle":
        chosen = select_positions(len(track.visible), part)
        share = float(track.visible[chosen].mean())
    else:
        share = float(track.visible[0 if part == "start" else -1])
    state = "there" if share > 0.5 else "not there"
    return Verdict(share if wanted else 1 - share, f"{state} at the {part}")


def _score_timing(place: float, part: VideoPart) -> float:
    if part == "start":
        return ramp(_EARLY_BEFORE - place, *_EARLY)
    if part == "end":
        return ramp(place, *_LATE)
    return ramp(_MIDWAY_RADIUS - abs(place - 0.5), *_MIDWAY)


def _score_side(track: MeasuredCandidate, constraint: EventIs) -> float:
    """How near the side it is when it happens."""
    position = {"appears": track.first, "leaves": track.last}.get(constraint.event, track.first)
    x, y = (float(value) for value in track.centers[position])
    along = {"left": 1 - x, "right": x, "top": 1 - y, "bottom": y}.get(constraint.side or "", 0.5)
    return ramp(along, *_EVENT_SIDE)
