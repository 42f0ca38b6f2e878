"""Where objects were seen on some frames, as evidence for the frames between.

A box of a detector is right about an object's extent where flow has lost it: the object grows
faster than its mask, or the mask has run over something of the same colors. It may also be of
another thing. So a box counts as far as the object's colors fill it as they fill the box on the
frame of the prompt. How sure the detector was counts, too, but less for a box that lies where the
boxes before and after it say: boxes of a part or of another thing jump.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, RoughPlace
from videoseg_attributes.propagation.view import View
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["RoughPlaces"]

# Set by hand on sequences of DAVIS at a quarter of their frame rate, on which objects move and
# grow fast; their effect is in docs/decisions/059.
_OUTSIDE = 6.0  # nats against what lies far outside of the box
_PAD, _SOFT = 0.06, 0.08  # of the box's side: beside it, still inside; until it is far outside
_FILLED = (0.3, 0.6)  # of how the object's colors fill its box on the prompted frame
_SHARED = (0.05, 0.2)  # of the mask that lies in the box
_TOO_EMPTY = 0.7  # of how far the mask fills its box on the prompted frame
_FILLING, _MOST_FILLING = 1.5, 1.5  # nats; logarithm of what is missing, at most
_LEAST_FILL = 1e-3
_REACH = 4.0  # frames from a box after which it counts less by 1/e
_BEST = 0.5  # score of the best box of an object, at least
_OF_BEST = (0.5, 0.9)  # of it: lower, and the box shows a part, or is not to be trusted
# The same for a box that the boxes before and after confirm, and how much of it they must share
# (intersection over union); their effect is in docs/decisions/067.
_OF_BEST_CONFIRMED = (0.3, 0.6)
_CONFIRMED = (0.5, 0.8)
_SURE_ENOUGH = 0.5  # to search a hidden object in it

_Corners = npt.NDArray[np.float64]  # (x1, y1, x2, y2) as shares of the view's sides


@dataclass(frozen=True, eq=False, slots=True)
class _PlaceOnFrame:
    """Where an object should be on one frame.

    Args:
        inside: The box on the cue grid, a little widened, (h, w).
        far: How far outside a pixel lies, from 0 (inside) to 1, (h, w).
        certainty: How far to trust it, in [0, 1].
    """

    inside: BoolArray
    far: FloatImage
    certainty: float

    def measure_fill(self, posterior: FloatImage) -> float:
        """Return how much of the box an object takes up, in [0, 1]."""
        return float(posterior[self.inside].mean()) if self.inside.any() else 0.0


class RoughPlaces:
    """The places of all objects in a part of the frame, and how objects fill their boxes.

    Args:
        places: The places, in pixels of the frame.
        view: The part of the frame.
    """

    def __init__(self, places: Iterable[RoughPlace], view: View) -> None:
        self._corners: dict[int, dict[int, _Corners]] = {}
        scores: dict[int, dict[int, float]] = {}
        self._fills: dict[int, float] = {}
        origin = np.array([view.left, view.top] * 2)
        extent = np.array([view.width, view.height] * 2)
        for place in places:
            corners = (np.array(place.box.as_tuple()) - origin) / extent
            self._corners.setdefault(place.object_id, {})[place.frame] = corners
            scores.setdefault(place.object_id, {})[place.frame] = place.score
        self._certainty = {
            object_id: _measure_certainty(corners, scores[object_id])
            for object_id, corners in self._corners.items()
        }

    def learn(self, object_id: int, frame: int, posterior: FloatImage) -> None:
        """Remember how an object fills its box on a frame on which its mask was given.

        Args:
            object_id: The object.
            frame: Frame index.
            posterior: The given mask on the cue grid, (h, w) in [0, 1].
        """
        place = self._find(object_id, frame, posterior.shape)
        if place is not None:
            self._fills[object_id] = place.measure_fill(posterior)

    def take_over(self, earlier: RoughPlaces) -> None:
        """Take over what was learned in another part of the frame."""
        self._fills.update(earlier._fills)

    def search_area(self, object_id: int, frame: int, size: tuple[int, int]) -> BoolArray | None:
        """Return where a hidden object should be searched, (h, w); None if that is not known.

        Args:
            object_id: The object.
            frame: Frame index.
            size: (h, w) of the cue grid.
        """
        place = self._find(object_id, frame, size)
        return place.inside if place is not None and place.certainty >= _SURE_ENOUGH else None

    def weigh(
        self,
        object_id: int,
        frame: int,
        gate: FloatImage | np.float32,
        carried: FloatImage,
        colors_of: Callable[[], FloatImage],
    ) -> FloatImage | np.float32:
        """Return what reach and place add to the score of an object.

        Args:
            object_id: The object.
            frame: Frame index.
            gate: What the object's reach adds, at most 0, (h, w) or one number.
            carried: The object's posterior warped from the last frame, (h, w).
            colors_of: Returns the log probability ratio of its colors to the background's,
                (h, w, 1).

        Returns:
            The gate, opened inside of the box; less outside of it, and more inside where the mask
            fills it far less than it did. The gate as it is where no place is known, or the box
            seems to be of another thing.
        """
        usual = self._fills.get(object_id, 0.0)
        place = self._find(object_id, frame, carried.shape) if usual > 0 else None
        mask = carried > 0.5
        if place is None or not mask.any() or not place.inside.any():
            return gate
        colored = float((colors_of()[place.inside, 0] > 0).mean())
        shared = int((mask & place.inside).sum()) / int(mask.sum())
        trust = place.certainty * _ramp(colored / usual, _FILLED) * _ramp(shared, _SHARED)
        if trust <= 0:
            return gate
        missing = np.log(_TOO_EMPTY * usual / max(place.measure_fill(carried), _LEAST_FILL))
        filling = _FILLING * min(max(float(missing), 0.0), _MOST_FILLING)
        opened = np.where(place.inside, gate * np.float32(1 - trust), gate)
        weighed = opened + np.float32(filling * trust) * place.inside
        weighed -= np.float32(_OUTSIDE * trust) * place.far
        return np.asarray(weighed, dtype=np.float32)

    def _find(self, object_id: int, frame: int, size: tuple[int, ...]) -> _PlaceOnFrame | None:
        """Return where an object should be, between two boxes by interpolation."""
        corners = self._corners.get(object_id)
        if not corners:
            return None
        certainty = self._certainty[object_id]
        if frame in corners:
            return _place(corners[frame], size, certainty[frame])
        frames = sorted(corners)
        after = bisect(frames, frame)
        if after in (0, len(frames)):
            return None
        first, second = frames[after - 1], frames[after]
        away = min(frame - first, second - frame)
        least = min(certainty[first], certainty[second])
        box = _interpolate(corners, first, second, frame)
        return _place(box, size, least * float(np.exp(-away / _REACH)))


def _measure_certainty(
    corners: Mapping[int, _Corners], scores: Mapping[int, float]
) -> dict[int, float]:
    """Return by frame how far to trust the boxes of one object, in [0, 1]."""
    frames = sorted(corners)
    confirmed = {}
    for before, frame, after in zip(frames, frames[1:], frames[2:], strict=False):
        expected = _interpolate(corners, before, after, frame)
        confirmed[frame] = _ramp(_measure_overlap(expected, corners[frame]), _CONFIRMED)
    if confirmed:
        # The outermost boxes have a neighbor on one side only, which speaks for them.
        confirmed[frames[0]] = confirmed[frames[1]]
        confirmed[frames[-1]] = confirmed[frames[-2]]
    best = max(_BEST, *scores.values())
    return {
        frame: max(
            _ramp(scores[frame] / best, _OF_BEST),
            _ramp(scores[frame] / best, _OF_BEST_CONFIRMED) * confirmed.get(frame, 0.0),
        )
        for frame in frames
    }


def _interpolate(corners: Mapping[int, _Corners], first: int, second: int, frame: int) -> _Corners:
    part = (frame - first) / (second - first)
    between: _Corners = (1 - part) * corners[first] + part * corners[second]
    return between


def _measure_overlap(first: _Corners, second: _Corners) -> float:
    """Return the intersection over union of two boxes."""
    sides = np.minimum(first, second)[2:] - np.maximum(first, second)[:2]
    shared = float(np.prod(np.maximum(sides, 0)))
    total = sum(float(np.prod(box[2:] - box[:2])) for box in (first, second)) - shared
    return shared / total if total > 0 else 0.0


def _place(corners: _Corners, size: tuple[int, ...], certainty: float) -> _PlaceOnFrame:
    height, width = size[:2]
    distances = []
    for count, first, last in ((width, corners[0], corners[2]), (height, corners[1], corners[3])):
        middles = np.arange(count, dtype=np.float32) + np.float32(0.5)
        side = (last - first) * count
        pad = _PAD * side + 1
        beyond = np.maximum(first * count - pad - middles, middles - last * count - pad)
        distances.append(np.maximum(beyond, 0) / (_SOFT * side + 1))
    across, down = distances
    distance = np.hypot(across[None, :], down[:, None]).astype(np.float32)
    return _PlaceOnFrame(distance == 0, np.minimum(distance, np.float32(1)), certainty)


def _ramp(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return min(1.0, max(0.0, (value - low) / (high - low)))
