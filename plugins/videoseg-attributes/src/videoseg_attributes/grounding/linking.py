"""Links what a detector finds on single frames to tracks of things.

The frames are few and far apart (24 of a whole video), so that trackers made for every frame,
which expect boxes to overlap from one to the next, would break most tracks. Here all tracks and
boxes of a frame are assigned at once, by place, size, color and name; sure boxes first, then
unsure ones, as in ByteTrack (Zhang et al., 2022, arXiv:2110.06864).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from videoseg.types import Box, Detection, FloatArray, Frame, Rle
from videoseg_attributes.grounding.measurements import ramp
from videoseg_attributes.grounding.named_tracks import NamedTrack

__all__ = ["Sighting", "find_sightings", "link_sightings"]

# Set by hand on what YOLOX-nano finds in the DAVIS clips of tests/benchmarks/names.py; not
# measured separately.
_SAME_BOX, _SAME_BOX_OF_ANY_WORD = 0.6, 0.85  # intersection over union; with an open vocabulary
_SURE, _BEGINS = 0.3, 0.2  # scores of boxes that are assigned first; that may begin a track
_MOST_COST = 2.0  # of a box at the place expected; above it is another thing
_PLACE_WEIGHT, _FARTHEST = 0.5, 3.0  # of a distance in diagonals of the box; at most
_SIZE_WEIGHT, _NAME_WEIGHT, _COLOR_WEIGHT = 0.4, 0.6, 1.2
_GAP_REACH = 0.5  # how much the reach grows with each frame of a gap
_COLOR_LEVELS = 6  # of each channel
_INNER = 0.2  # of a box's sides that are left out on each side, where colors are taken
_BEST = 3  # frames whose scores count for a name
_RIVALED = (0.5, 0.8)  # a name's score over that of another that fits the same thing
_LEAST_SCORE = 0.1  # of a track's best name
_INSIDE, _TWICE = 0.85, 2.0  # of a box in a better one of the same thing; how much better
_GHOST, _MUCH_BETTER = 0.6, 1.5  # of a track in a better one; how much better that is
_NEAR = 2  # surveyed frames
_SURE_TRACK = 0.5  # score from which a track is none of these
_PERSON = "person"


@dataclass(frozen=True, eq=False, slots=True)
class Sighting:
    """One thing on one frame, whatever it was found as.

    Args:
        box: Where it is, in pixels of the frame.
        scores: The score of each name that it was found as.
        color: Distribution of its colors.
        mask: Its mask, from detectors that make masks.
    """

    box: Box
    scores: Mapping[str, float]
    color: FloatArray
    mask: Rle | None = None

    @property
    def score(self) -> float:
        """The score of its best name."""
        return max(self.scores.values())


def find_sightings(
    frame: Frame, detections: Sequence[Detection], *, is_closed: bool
) -> list[Sighting]:
    """Join detections of one frame that are of the same thing by other names.

    A closed vocabulary often calls one animal a dog and a cat. A person is never the same thing as
    another one: riders and what they ride fill nearly the same box.

    Args:
        frame: The frame.
        detections: What was found on it.
        is_closed: Whether the vocabulary is closed.
    """
    groups: list[list[Detection]] = []
    least = _SAME_BOX if is_closed else _SAME_BOX_OF_ANY_WORD
    for detection in sorted(detections, key=lambda one: -one.score):
        home = next(
            (
                group
                for group in groups
                if _is_person(group[0]) == _is_person(detection)
                and group[0].box.iou(detection.box) >= least
            ),
            None,
        )
        if home is None:
            groups.append([detection])
        else:
            home.append(detection)
    sightings = []
    for group in groups:
        scores: dict[str, float] = {}
        for one in group:
            scores[one.label] = max(one.score, scores.get(one.label, 0.0))
        mask = next((one.mask for one in group if one.mask is not None), None)
        sightings.append(Sighting(group[0].box, scores, _sample_color(frame, group[0].box), mask))
    return [one for one in sightings if not any(_is_part(one, other) for other in sightings)]


def _is_part(one: Sighting, other: Sighting) -> bool:
    """Whether a box is a part of a thing that another shows better, such as a person's legs."""
    return (
        other.score > _TWICE * one.score
        and not one.scores.keys().isdisjoint(other.scores)
        and _share_inside(one.box, other.box) >= _INSIDE
    )


def _share_inside(box: Box, other: Box) -> float:
    """Return how much of a box lies in another one, in [0, 1]."""
    width = min(box.x2, other.x2) - max(box.x1, other.x1)
    height = min(box.y2, other.y2) - max(box.y1, other.y1)
    return max(0.0, width) * max(0.0, height) / max(1e-9, box.area)


def _is_person(detection: Detection) -> bool:
    return _PERSON in (detection.class_name, detection.label)


def _sample_color(frame: Frame, box: Box) -> FloatArray:
    height, width = frame.shape[:2]
    left, right = box.x1 + _INNER * box.width, box.x2 - _INNER * box.width
    top, bottom = box.y1 + _INNER * box.height, box.y2 - _INNER * box.height
    columns = slice(min(int(left), width - 1), max(int(left) + 1, round(right)))
    rows = slice(min(int(top), height - 1), max(int(top) + 1, round(bottom)))
    pixels = frame[rows, columns].reshape(-1, 3).astype(np.int64) * _COLOR_LEVELS // 256
    index = (pixels[:, 0] * _COLOR_LEVELS + pixels[:, 1]) * _COLOR_LEVELS + pixels[:, 2]
    counts = np.bincount(index, minlength=_COLOR_LEVELS**3).astype(np.float64)
    share: FloatArray = counts / max(1.0, float(counts.sum()))
    return share


@dataclass(eq=False, slots=True)
class _Chain:
    positions: list[int] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)

    def add(self, position: int, sighting: Sighting) -> None:
        self.positions.append(position)
        self.sightings.append(sighting)

    def box_near(self, position: int) -> Box | None:
        """Return its box on a surveyed frame, or on the nearest one that is not far."""
        nearest = min(range(len(self.positions)), key=lambda i: abs(self.positions[i] - position))
        is_far = abs(self.positions[nearest] - position) > _NEAR
        return None if is_far else self.sightings[nearest].box

    def expected_center(self, position: int) -> tuple[float, float]:
        """Return where its center should be at constant velocity, not far beyond what is known."""
        last = self.sightings[-1].box.center
        if len(self.positions) < 2 or position - self.positions[-1] > 2:
            return last.x, last.y
        before = self.sightings[-2].box.center
        ahead = (position - self.positions[-1]) / (self.positions[-1] - self.positions[-2])
        return last.x + (last.x - before.x) * ahead, last.y + (last.y - before.y) * ahead

    def cost(self, position: int, sighting: Sighting) -> float:
        """Return how unlike the next sighting of this thing another one is."""
        last = self.sightings[-1]
        x, y = self.expected_center(position)
        center, box = sighting.box.center, last.box
        reach = float(np.hypot(box.width, box.height)) + 1.0
        still = box.center
        away = min(
            np.hypot(center.x - x, center.y - y), np.hypot(center.x - still.x, center.y - still.y)
        )
        gap = position - self.positions[-1] - 1
        place = min(_FARTHEST, float(away) / reach / (1 + _GAP_REACH * gap))
        grown = abs(float(np.log(sighting.box.area / box.area)))
        color = 1 - float(np.minimum(last.color, sighting.color).sum())
        return (
            _PLACE_WEIGHT * place
            + _SIZE_WEIGHT * min(grown, 2.0)
            + _NAME_WEIGHT * (1 - _compare_names(last.scores, sighting.scores))
            + _COLOR_WEIGHT * color
        )


def _compare_names(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the cosine of two tables of scores; things that only one calls a person differ."""
    if (_PERSON in one) != (_PERSON in other):
        return -2.0
    dot = sum(score * other.get(name, 0.0) for name, score in one.items())
    lengths = [float(np.linalg.norm(list(scores.values()))) for scores in (one, other)]
    return float(dot / max(1e-9, lengths[0] * lengths[1]))


def link_sightings(
    frames: Sequence[int],
    sightings: Sequence[Sequence[Sighting]],
    nouns: Collection[str],
    classes: Mapping[str, Collection[str]],
) -> tuple[NamedTrack, ...]:
    """Link the sightings of successive frames to tracks, the most surely named first.

    Args:
        frames: Frame indices, ascending.
        sightings: What was seen on each.
        nouns: The names that the query asks for; others are the detector's own.
        classes: For each noun the detector's own names for what was found as it.

    Returns:
        The tracks, with ids from 0. A noun's score is lowered where another name, which is not for
        the same things, fits better.
    """
    chains: list[_Chain] = []
    for position, seen in enumerate(sightings):
        free = list(chains)
        for sure in (True, False):
            part = [one for one in seen if (one.score >= _SURE) == sure]
            matched = _assign(free, part, position)
            for chain, sighting in matched:
                chain.add(position, sighting)
            used = {id(chain) for chain, _ in matched}
            free = [chain for chain in free if id(chain) not in used]
            linked = {id(sighting) for _, sighting in matched}
            for sighting in part:
                if id(sighting) not in linked and sighting.score >= _BEGINS:
                    chains.append(_Chain([position], [sighting]))
    named = []
    for chain in chains:
        qualities = _measure_names(chain, len(frames))
        if max(qualities.values()) >= _LEAST_SCORE:
            named.append((chain, qualities))
    named.sort(key=lambda pair: -max(pair[1].values()))
    named = [pair for place, pair in enumerate(named) if not _is_ghost(pair, named[:place])]
    return tuple(
        _make_track(number, chain, qualities, frames, nouns, classes)
        for number, (chain, qualities) in enumerate(named)
    )


def _is_ghost(
    pair: tuple[_Chain, Mapping[str, float]],
    better: Sequence[tuple[_Chain, Mapping[str, float]]],
) -> bool:
    """Whether a track is a weak second look at a thing that another track shows."""
    chain, qualities = pair
    quality = max(qualities.values())
    for other, theirs in better:
        if max(theirs.values()) < _MUCH_BETTER * quality or quality >= _SURE_TRACK:
            continue
        if (_PERSON in qualities) != (_PERSON in theirs):
            continue
        shares = [
            max(_share_inside(one.box, box), _share_inside(box, one.box))
            if (box := other.box_near(place)) is not None
            else 0.0
            for place, one in zip(chain.positions, chain.sightings, strict=True)
        ]
        if float(np.mean(shares)) >= _GHOST:
            return True
    return False


def _assign(
    chains: Sequence[_Chain], sightings: Sequence[Sighting], position: int
) -> list[tuple[_Chain, Sighting]]:
    """Return pairs of tracks and sightings with the lowest total cost, none of them too high."""
    from scipy.optimize import linear_sum_assignment

    if not chains or not sightings:
        return []
    costs = np.array([[chain.cost(position, one) for one in sightings] for chain in chains])
    rows, columns = linear_sum_assignment(np.minimum(costs, 2 * _MOST_COST))
    return [
        (chains[row], sightings[column])
        for row, column in zip(rows, columns, strict=True)
        if costs[row, column] <= _MOST_COST
    ]


def _measure_names(chain: _Chain, num_frames: int) -> dict[str, float]:
    """Return for each name the mean of its best scores; what shows only once counts less."""
    names = {name for sighting in chain.sightings for name in sighting.scores}
    count = min(_BEST, max(min(2, num_frames), len(chain.sightings)))
    qualities = {}
    for name in names:
        best = sorted((one.scores.get(name, 0.0) for one in chain.sightings), reverse=True)
        qualities[name] = sum(best[:count]) / count
    return qualities


def _make_track(
    number: int,
    chain: _Chain,
    qualities: Mapping[str, float],
    frames: Sequence[int],
    nouns: Collection[str],
    classes: Mapping[str, Collection[str]],
) -> NamedTrack:
    # A name that stands for classes is none of the detector's own unless it is one of these.
    own = {
        name: score
        for name, score in qualities.items()
        if name not in nouns or name in classes.get(name, (name,))
    }
    called = max(sorted(own), key=lambda name: own[name], default="")
    names: dict[str, float] = {}
    for name, score in qualities.items():
        same = {name, *classes.get(name, ())}
        # What a word for the same things was found as is no other thing.
        rivals = [
            other for other in own if other not in same and name not in classes.get(other, ())
        ]
        rival = max((own[other] for other in rivals), default=0.0)
        names[name] = score * ramp(score / rival, *_RIVALED) if rival > score else score
    places = [frames[position] for position in chain.positions]
    seen = list(zip(places, chain.sightings, strict=True))
    return NamedTrack(
        number,
        names,
        masks={frame: one.mask for frame, one in seen if one.mask is not None},
        boxes={frame: one.box for frame, one in seen},
        called=called,
        scores={frame: one.score for frame, one in seen},
    )
