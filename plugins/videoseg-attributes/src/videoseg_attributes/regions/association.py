"""Associate outlined parts of successive frames: tracks of objects, also of still ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from videoseg.types import BoolArray
from videoseg_attributes.regions.outlined_parts import OutlinedPart

__all__ = ["OutlinedTrack", "associate_parts", "shift_mask"]

# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_COLOR_SCALE = 9.0  # distance in ``surface_colors`` that costs 1
_MOST_COLOR = 20.0  # distance in ``surface_colors``; beyond, it is another object
_MOST_GROWN = 3.0  # of the usual area
_MOST_COST = 3.2  # of an association; beyond, a new track begins
_REACH = 0.16  # frame diagonals an object may be off its expected place after one frame
_LARGEST_REACH = 0.6  # frame diagonals, after any gap
_WHOLE = 0.96  # of the usual area: all of an object shows
_MOST_TOGETHER = 1.2  # of the usual area: more than that is not one object in pieces
_SAME_COLOR = 20.0  # distance in ``surface_colors`` between a piece and the whole
_INSIDE = 0.7  # of a piece, where the whole object should be
_OFF_PLACE = 3  # pixels by which that place may be off; what shows first is a thin rim
_LONGEST_HIDDEN = 8  # surveyed frames
_FALLEN_APART = 0.45  # of its frames
_DETAIL, _ALWAYS = 0.25, 0.8  # of the larger one's area; of its own frames
_MOST_SHRUNK = 0.04  # of the usual area
_GAP_REACH = 0.7  # how much the reach grows with each frame of a gap
_PLACE_WEIGHT, _GAP_COST = 1.5, 0.05  # of being as far off as the reach; of each frame of a gap


@dataclass(eq=False, slots=True)
class OutlinedTrack:
    """One object over the survey: the outlined parts that show it.

    Args:
        parts: Its part on each surveyed frame, by position in the survey.
        pieces: The pieces of a part, where the object shows in several.
    """

    parts: dict[int, OutlinedPart] = field(default_factory=dict)
    pieces: dict[int, list[OutlinedPart]] = field(default_factory=dict)

    @property
    def last(self) -> OutlinedPart:
        """The latest part."""
        return self.parts[max(self.parts)]

    @property
    def outlined(self) -> float:
        """Its mean share of clear outline, in [0, 1]."""
        return float(np.mean([part.outlined for part in self.parts.values()]))

    def usual_area(self) -> float:
        """Return its area where most of it shows, in pixels of the survey's grid."""
        areas = sorted(part.area for part in self.parts.values())
        return areas[(3 * (len(areas) - 1) + 2) // 4]

    def is_piece(self, part: OutlinedPart) -> bool:
        """Return whether a part is a piece of this object, which something in front divides."""
        known = sorted(self.parts)
        usual = self.usual_area()
        whole = [p for p in known if self.parts[p].area > _WHOLE * usual]
        if not whole or part.position - known[-1] > _LONGEST_HIDDEN:
            return False
        last = self.parts[whole[-1]]
        already = self.parts.get(part.position)
        if (already.area if already else 0.0) + part.area > _MOST_TOGETHER * usual:
            return False
        if math.dist(last.color, part.color) > _SAME_COLOR:
            return False
        shift = (0.0, 0.0)
        if len(whole) > 1:
            before = self.parts[whole[-2]]
            steps = (part.position - whole[-1]) / (whole[-1] - whole[-2])
            shift = (
                (last.center[0] - before.center[0]) * steps,
                (last.center[1] - before.center[1]) * steps,
            )
        moved = _dilate(shift_mask(last.mask, round(shift[0]), round(shift[1])), _OFF_PLACE)
        return float(np.count_nonzero(moved & part.mask)) > _INSIDE * part.area

    def add_piece(self, part: OutlinedPart) -> None:
        """Add a part as one more piece of this object."""
        already = self.parts.get(part.position)
        self.parts[part.position] = part if already is None else already.merge(part)
        known = self.pieces.get(part.position, [already] if already is not None else [])
        self.pieces[part.position] = [*known, part]

    @property
    def falls_apart(self) -> bool:
        """Whether it shows in several pieces most of the time: then it is several objects."""
        several = sum(len(pieces) > 1 for pieces in self.pieces.values())
        return several > _FALLEN_APART * len(self.parts)

    def predict_center(self, position: int) -> tuple[float, float]:
        """Return where its center should be at constant velocity, (x, y)."""
        known = sorted(self.parts)
        x, y = self.parts[known[-1]].center
        if len(known) < 2 or position - known[-1] > 2:
            return x, y
        before = self.parts[known[-2]]
        steps = known[-1] - known[-2]
        ahead = (position - known[-1]) / steps
        return x + (x - before.center[0]) * ahead, y + (y - before.center[1]) * ahead


def associate_parts(
    parts: Sequence[Sequence[OutlinedPart]], shots: Sequence[int], diagonal: float
) -> list[OutlinedTrack]:
    """Associate parts by color, place and size; a track continues after an occlusion.

    Args:
        parts: The parts of each frame.
        shots: The number of each frame's shot; across a cut the place does not count.
        diagonal: Length of the frame's diagonal in pixels of the survey's grid.

    Returns:
        The tracks, those with most frames first.
    """
    chains: list[OutlinedTrack] = []
    for chain in _associate(parts, shots, diagonal, whole=True):
        if chain.falls_apart:
            atoms = [
                chain.pieces.get(position)
                or ([chain.parts[position]] if position in chain.parts else [])
                for position in range(len(parts))
            ]
            chains += _associate(atoms, shots, diagonal, whole=False)
        else:
            chains.append(chain)
    chains.sort(key=lambda chain: -len(chain.parts))
    return [chain for chain in chains if not any(_is_detail(chain, other) for other in chains)]


def _associate(
    parts: Sequence[Sequence[OutlinedPart]],
    shots: Sequence[int],
    diagonal: float,
    *,
    whole: bool,
) -> list[OutlinedTrack]:
    """Associate parts; if ``whole``, a piece of an object is merged into its part."""
    chains: list[OutlinedTrack] = []
    for position, here in enumerate(parts):
        costs = [
            (cost, index, number)
            for index, chain in enumerate(chains)
            for number, cost in enumerate(_association_costs(chain, here, shots, diagonal))
            if cost < _MOST_COST
        ]
        linked: set[int] = set()
        used: set[int] = set()
        for _, index, number in sorted(costs):
            if index not in linked and number not in used:
                chains[index].parts[position] = here[number]
                linked.add(index)
                used.add(number)
        for number, part in enumerate(here):
            if number in used:
                continue
            owner = next((chain for chain in chains if whole and chain.is_piece(part)), None)
            if owner is None:
                chains.append(OutlinedTrack({position: part}))
            else:
                owner.add_piece(part)
    return chains


def shift_mask(mask: BoolArray, right: int, down: int) -> BoolArray:
    """Return a mask moved by whole pixels, cropped to the frame."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    if abs(right) < width and abs(down) < height:
        moved[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = mask[
            max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
        ]
    return moved


def _dilate(mask: BoolArray, radius: int) -> BoolArray:
    import cv2

    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _is_detail(chain: OutlinedTrack, other: OutlinedTrack) -> bool:
    """Return whether an object always lies within another: a check, a dot, an eye."""
    import cv2

    if other is chain or chain.usual_area() > _DETAIL * other.usual_area():
        return False
    within = 0
    for position, part in chain.parts.items():
        around = other.parts.get(position)
        if around is None:
            continue
        outlines, _ = cv2.findContours(
            around.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        hull = np.zeros(part.mask.shape, dtype=np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(np.vstack(list(outlines))), 1)
        within += bool(
            float(np.count_nonzero(hull.astype(bool) & part.mask)) > _INSIDE * part.area
        )
    return within > _ALWAYS * len(chain.parts)


def _association_costs(
    chain: OutlinedTrack, parts: Sequence[OutlinedPart], shots: Sequence[int], diagonal: float
) -> list[float]:
    """Return how unlikely each part of one frame is to continue a track; lower is likelier."""
    last, usual = chain.last, max(chain.usual_area(), 1.0)
    return [_association_cost(chain, last, usual, part, shots, diagonal) for part in parts]


def _association_cost(
    chain: OutlinedTrack,
    last: OutlinedPart,
    usual: float,
    part: OutlinedPart,
    shots: Sequence[int],
    diagonal: float,
) -> float:
    color = math.dist(last.color, part.color)
    if color > _MOST_COLOR:
        return math.inf
    grown = part.area / usual
    if grown > _MOST_GROWN or grown < _MOST_SHRUNK:
        return math.inf
    cost = color / _COLOR_SCALE + 0.5 * abs(math.log(part.area / last.area))
    if shots[part.position] != shots[last.position]:
        return cost + 0.5
    gap = part.position - last.position
    x, y = chain.predict_center(part.position)
    away = math.hypot(part.center[0] - x, part.center[1] - y) / diagonal
    reach = min(_LARGEST_REACH, _REACH * (1 + _GAP_REACH * (gap - 1)))
    # An object is most likely still where it just was, so a long gap costs, too.
    return (
        cost + _PLACE_WEIGHT * away / reach + _GAP_COST * (gap - 1) if away < reach else math.inf
    )
