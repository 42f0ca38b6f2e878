"""Measures candidates: size, place, colors, motion, and when they are visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from videoseg.types import BoolArray, FloatArray, VideoSource
from videoseg_attributes.grounding.outlines import boundary_contrast, outline_score, solidity
from videoseg_attributes.vision.color import NUM_COLOR_BINS, color_histogram
from videoseg_attributes.vision.optical_flow import resize_image

if TYPE_CHECKING:
    from videoseg_attributes.regions.survey import Candidate, Survey

__all__ = ["MeasuredCandidate", "Side", "measure_candidates", "ramp"]

Side: TypeAlias = Literal["left", "right", "up", "down"]

_COLOR_FRAMES = 8  # frames whose pixels are counted for a candidate's colors
_LOWEST_SIZE = 0.35  # of its usual size; below, it is mostly hidden or out of the picture
# Set by hand while looking at drawn clips and the seven real clips of
# tests/benchmarks/attributes_mevis_mini.py; not measured separately. A pair is (low, high) of
# ``ramp``. Areas are fractions of the frame.
_KNOWN_VELOCITIES = 0.35  # of the frames: with fewer, the path is taken from the picture
_WHOLE, _MOSTLY_WHOLE = 0.8, 0.4  # of the largest area around; of the visible frames
_NEIGHBORS = 3  # surveyed frames to either side that count as around
_USUAL_PERCENTILE = 75  # of areas and extents: half hidden and cut ones lie below
_SCENERY_DISPLACEMENT, _SCENERY_SPAN = 0.03, 0.93  # diagonals; of the frame's width or height
_SCENERY_PLAUSIBILITY, _SPECK_PLAUSIBILITY = 0.1, 0.2
_STATIC_PROMINENCE, _STATIC_COMPACTNESS = (0.05, 0.3), (0.7, 1.0)  # of what stands still
_STATIC_EVIDENCE = (0.3, 0.7)  # of both together
_INSIDE = 0.3  # of the visible frames on which it may touch the border
_SHARP_OUTLINE, _SHARP_CLARITY, _SHARP_PLAUSIBILITY = 0.95, 0.9, 0.9
_SPECK_AREA, _SPECK_PROMINENCE = 0.003, 0.1  # clutter that shows on few frames
_RIM_AREA, _RIM_OUTLINE, _RIM_WEIGHT = 0.01, 0.3, 0.4  # the rim of a shadow
_SEEN, _MOVING_PROMINENCE = (0.05, 0.2), (0.1, 0.4)  # of the frames; of the best candidate
_DWINDLED = 0.7  # of its usual size: less shows before or after it is away
_LONG_GAP = 2  # surveyed frames
_LIKELY_AWAY, _UNLIKELY_AWAY = 0.6, 0.25  # gaps that are short, or that nothing explains
_LEAST_SPEED, _SPEED_SHARE, _SPEED_PERCENTILE = 0.02, 0.25, 80  # diagonals a second; of its fast
_MOSTLY_AT_BORDER = 0.8  # of the visible frames
_INNER_SHARE = 0.4  # of a mask that must remain without its rim


def ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to ``low``, 1 from ``high``, and a straight line between.

    Example:
        >>> ramp(0.5, 0.0, 2.0)
        0.25
    """
    if high == low:
        return float(value >= high)
    return float(min(1.0, max(0.0, (value - low) / (high - low))))


@dataclass(frozen=True, eq=False)
class MeasuredCandidate:
    """One candidate, measured on the P surveyed frames.

    Args:
        candidate_id: The candidate's id.
        saliency: In [0, 1].
        frames: Surveyed frame indices, shape (P,).
        times: Their times in seconds, shape (P,).
        visible: Whether it is visible, shape (P,).
        areas: Fraction of the frame it covers, shape (P,); 0 where not visible.
        centers: Center as fractions of width and height, shape (P, 2); NaN where not visible.
        boxes: xyxy as fractions of width and height, shape (P, 4); NaN where not visible.
        cut: Whether it touches the border, shape (P,).
        velocities: Camera-free, in diagonals per second, shape (P, 2); NaN if unknown.
        motion: Camera-free motion energy, in diagonals per second, shape (P,); NaN if unknown.
        aspect: Width over height of the frame.
        colors: Histogram of its pixels.
        prominence: Its saliency over that of the most salient candidate, in [0, 1].
        outline: How sharply and steadily it is bounded, in [0, 1]; see ``outline_score``.
        clarity: How reliable its outline is where it is visible, in [0, 1].
        compactness: Its usual area over that of its convex hull, in [0, 1].
        support: How far the picture shows its motion as a rule, in [0, 1]; see
            ``Candidate.support``.
        names: What a detector found it as, each with a score in [0, 1].
        label: What it is called besides its number.
    """

    candidate_id: int
    saliency: float
    frames: FloatArray
    times: FloatArray
    visible: BoolArray
    areas: FloatArray
    centers: FloatArray
    boxes: FloatArray
    cut: BoolArray
    velocities: FloatArray
    motion: FloatArray
    aspect: float
    colors: FloatArray
    prominence: float = 1.0
    outline: float = 1.0
    clarity: float = 0.0
    compactness: float = 1.0
    support: float = 1.0
    names: Mapping[str, float] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """Its name in messages."""
        return f"candidate {self.candidate_id}" + (f" ({self.label})" if self.label else "")

    @cached_property
    def size(self) -> float:
        """Its usual area as a fraction of the frame, on frames that show it whole."""
        whole = self.visible & ~self.cut
        areas = self.areas[whole if whole.sum() >= 2 else self.visible]
        return float(np.percentile(areas, _USUAL_PERCENTILE)) if len(areas) else 0.0

    def extent(self, axis: Literal[0, 1]) -> float:
        """Return its usual width (axis 0) or height (axis 1) in units of the frame's height."""
        boxes = self.boxes[self.visible]
        if not len(boxes):
            return 0.0
        spans = boxes[:, 2 + axis] - boxes[:, axis]
        return float(np.percentile(spans, _USUAL_PERCENTILE)) * (self.aspect if axis == 0 else 1.0)

    def center(self, positions: BoolArray | None = None) -> tuple[float, float] | None:
        """Return its mean center over some surveyed frames, or None if it is not visible."""
        chosen = self.visible if positions is None else self.visible & positions
        if not chosen.any():
            return None
        # Where only a sliver is visible, the center says little about its place.
        weights = self.areas[chosen]
        x, y = np.average(self.centers[chosen], axis=0, weights=weights)
        return float(x), float(y)

    def _integrate_path(self, chosen: BoolArray) -> FloatArray:
        """Return its path over the ground on some frames, in frame diagonals, shape (N, 2).

        Integrated from camera-free velocities; where too few are known, its place in the frame.
        """
        velocities = np.where(self.shown_whole[:, None], self.velocities, np.nan)[chosen]
        times = self.times[chosen]
        known = np.isfinite(velocities).all(axis=1)
        if known.sum() < max(2, _KNOWN_VELOCITIES * len(velocities)):
            return self.screen_path[
                np.flatnonzero(np.isin(np.flatnonzero(self.visible), np.flatnonzero(chosen)))
            ]
        filled = np.stack(
            [np.interp(times, times[known], velocities[known, axis]) for axis in range(2)], axis=1
        )
        steps = 0.5 * (filled[1:] + filled[:-1]) * np.diff(times)[:, None]
        way: FloatArray = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
        return way

    @cached_property
    def shown_whole(self) -> BoolArray:
        """Whether it is as fully visible as shortly before and after, shape (P,).

        While it is partly occluded, the center of the visible part moves although it does not.
        """
        reach = _NEIGHBORS
        around = np.stack(
            [
                np.roll(np.pad(self.areas, reach), shift)[reach:-reach]
                for shift in range(-reach, reach + 1)
            ]
        ).max(axis=0)
        whole = self.visible & (self.areas >= _WHOLE * around)
        return np.asarray(
            whole if whole.sum() >= max(3, _MOSTLY_WHOLE * self.visible.sum()) else self.visible
        )

    @cached_property
    def screen_path(self) -> FloatArray:
        """Its place in the frame on the visible frames, in frame diagonals, shape (V, 2)."""
        diagonal = float(np.hypot(self.aspect, 1.0))
        scaled: FloatArray = self.centers[self.visible] * (self.aspect / diagonal, 1.0 / diagonal)
        return scaled

    @cached_property
    def displacement(self) -> float:
        """Extent of its path over the ground, in frame diagonals: the diagonal of its bounds."""
        return self.displacement_over(None)

    def displacement_over(self, positions: BoolArray | None) -> float:
        """Return the displacement over some of the surveyed frames."""
        chosen = self.visible if positions is None else self.visible & positions
        if chosen.sum() < 2:
            return 0.0
        return float(np.hypot(*np.ptp(self._integrate_path(chosen), axis=0)))

    @cached_property
    def speed(self) -> float:
        """Its usual speed over the ground in diagonals per second."""
        speeds = np.hypot(*self.velocities[self.shown_whole].T)
        speeds = speeds[np.isfinite(speeds)]
        if len(speeds):
            return float(speeds.mean())
        steps = np.hypot(*np.diff(self.screen_path, axis=0).T) if len(self.screen_path) > 1 else []
        spans = np.diff(self.times[self.visible])
        return float(np.sum(steps) / spans.sum()) if len(spans) and spans.sum() > 0 else 0.0

    @cached_property
    def motion_energy(self) -> float:
        """Its median motion in frame diagonals per second, also of what moves in place."""
        known = self.motion[np.isfinite(self.motion)]
        return float(np.median(known)) if len(known) else 0.0

    def path_extent(self, side: Side, positions: BoolArray | None = None) -> float:
        """Return how far it moves to one side at most, as a fraction of the width (or height)."""
        chosen = self.visible if positions is None else self.visible & positions
        if chosen.sum() < 2:
            return 0.0
        axis = 0 if side in ("left", "right") else 1
        sign = 1.0 if side in ("right", "down") else -1.0
        diagonal = float(np.hypot(self.aspect, 1.0))
        along = sign * self._integrate_path(chosen)[:, axis] * diagonal
        along = along / (self.aspect if axis == 0 else 1.0)
        return float((along - np.minimum.accumulate(along)).max())

    @cached_property
    def growth(self) -> float:
        """Logarithm of its late area over its early area, on frames that show it whole."""
        whole = np.flatnonzero(self.visible & ~self.cut)
        if len(whole) < 4:
            whole = np.flatnonzero(self.visible)
        if len(whole) < 2:
            return 0.0
        third = max(1, len(whole) // 3)
        early = float(np.median(self.areas[whole[:third]]))
        late = float(np.median(self.areas[whole[-third:]]))
        return float(np.log(late / early)) if early > 0 and late > 0 else 0.0

    @cached_property
    def plausibility(self) -> float:
        """How plausible it is that people would call it an object, in [0, 1].

        What stands out by its motion is an object. What stands still needs a sharp and steady
        outline, must be compact or salient, and must not span the whole frame: walls, lawns and
        the sky are as steady as objects.
        """
        if not self.visible.any():
            return 0.0
        boxes = np.nanmedian(self.boxes[self.visible], axis=0)
        spans = max(float(boxes[2] - boxes[0]), float(boxes[3] - boxes[1]))
        if self.displacement < _SCENERY_DISPLACEMENT and spans > _SCENERY_SPAN:
            return _SCENERY_PLAUSIBILITY
        evidence = ramp(self.prominence, *_STATIC_PROMINENCE)
        evidence += ramp(self.compactness, *_STATIC_COMPACTNESS)
        static = self.outline * ramp(evidence, *_STATIC_EVIDENCE)
        inside = float(self.cut[self.visible].mean()) < _INSIDE
        if inside and self.outline > _SHARP_OUTLINE and self.clarity > _SHARP_CLARITY:
            # A sharp outline all around on every frame, whatever its shape (a star).
            static = max(static, _SHARP_PLAUSIBILITY)
        small = self.size < _SPECK_AREA and self.prominence < _SPECK_PROMINENCE
        if small and self.visible.mean() < 0.5:
            return _SPECK_PLAUSIBILITY
        # The rim of a shadow moves, too; it is small and its outline neither sharp nor steady.
        rim = self.size < _RIM_AREA and self.outline < _RIM_OUTLINE
        seen = ramp(float(self.visible.mean()), *_SEEN)
        mover = ramp(self.prominence, *_MOVING_PROMINENCE) * seen
        mover *= _RIM_WEIGHT if rim else 1.0
        return 1.0 - (1.0 - mover) * (1.0 - static)

    # -- when it is visible --------------------------------------------------------------------

    @cached_property
    def first(self) -> int:
        """Position of the first surveyed frame on which it is visible."""
        return int(np.argmax(self.visible))

    @cached_property
    def last(self) -> int:
        """Position of the last surveyed frame on which it is visible."""
        return len(self.visible) - 1 - int(np.argmax(self.visible[::-1]))

    @property
    def enters(self) -> bool:
        """Whether it is not visible when the survey begins."""
        return self.first > 0

    @property
    def exits(self) -> bool:
        """Whether it is no longer visible when the survey ends."""
        return self.last < len(self.visible) - 1

    @cached_property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Runs [start, stop) of surveyed frames between first and last that do not show it."""
        gaps, start = [], None
        for position in range(self.first, self.last + 1):
            if not self.visible[position] and start is None:
                start = position
            elif self.visible[position] and start is not None:
                gaps.append((start, position))
                start = None
        return tuple(gaps)

    def score_gap(self, start: int, stop: int) -> float:
        """Return how likely it was away in a gap, rather than missed by the survey, in [0, 1].

        An object that leaves or is hidden looks smaller before or after, or touches the border.
        """
        beside = [position for position in (start - 1, stop) if 0 <= position < len(self.areas)]
        dwindles = any(self.areas[position] < _DWINDLED * self.size for position in beside)
        explained = dwindles or any(self.at_border(position) for position in beside)
        if stop - start >= _LONG_GAP:
            return 1.0 if explained else _LIKELY_AWAY
        return _LIKELY_AWAY if explained else _UNLIKELY_AWAY

    def at_border(self, position: int) -> bool:
        """Return whether it touches the border there, or on a neighboring surveyed frame."""
        around = slice(max(0, position - 1), position + 2)
        return bool(self.cut[around].any())

    def find_moving(self) -> BoolArray:
        """Return on which surveyed frames it moves over the ground, shape (P,)."""
        speeds = np.hypot(*self.velocities.T)
        known = speeds[np.isfinite(speeds)]
        usual = float(np.percentile(known, _SPEED_PERCENTILE)) if len(known) else 0.0
        return np.asarray(np.nan_to_num(speeds) > max(_LEAST_SPEED, _SPEED_SHARE * usual))


def measure_candidates(
    video: VideoSource, survey: Survey, candidates: Sequence[Candidate] | None = None
) -> tuple[MeasuredCandidate, ...]:
    """Measure every candidate of a survey that is visible, reading few frames.

    Args:
        video: The video.
        survey: The survey.
        candidates: Which of its candidates and wholes; by default the candidates.
    """
    given = survey.candidates if candidates is None else candidates
    usable = [candidate for candidate in given if any(candidate.visible)]
    times = np.array([video.time_of(frame) for frame in survey.frames])
    looks = _sample_pixels(video, survey, usable)
    highest = max((candidate.saliency for candidate in usable), default=0.0)
    return tuple(
        _measure_candidate(
            candidate, survey, times, looks[candidate.candidate_id], highest=highest
        )
        for candidate in usable
    )


def _measure_candidate(
    candidate: Candidate, survey: Survey, times: FloatArray, look: _PixelSamples, *, highest: float
) -> MeasuredCandidate:
    height, width = survey.size
    count = len(survey.frames)
    areas = np.zeros(count)
    centers = np.full((count, 2), np.nan)
    boxes = np.full((count, 4), np.nan)
    for position in range(count):
        mask = candidate.mask(position)
        if mask is None or not mask.any():
            continue
        rows, columns = np.nonzero(mask)
        areas[position] = len(rows) / mask.size
        centers[position] = (columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height
        boxes[position] = (
            columns.min() / width,
            rows.min() / height,
            (columns.max() + 1) / width,
            (rows.max() + 1) / height,
        )
    unknown = (np.nan, np.nan)
    return MeasuredCandidate(
        candidate_id=candidate.candidate_id,
        saliency=candidate.saliency,
        frames=np.array(survey.frames, dtype=np.float64),
        times=times,
        visible=areas > 0,
        areas=areas,
        centers=centers,
        boxes=boxes,
        cut=np.array(candidate.cut_by_border, dtype=bool) & (areas > 0),
        velocities=np.array([v if v is not None else unknown for v in candidate.velocities]),
        motion=np.array([np.nan if m is None else m for m in candidate.motion], dtype=np.float64),
        aspect=survey.source_size[1] / survey.source_size[0],
        colors=look.colors,
        prominence=candidate.saliency / highest if highest > 0 else 1.0,
        clarity=_mean_clarity(candidate),
        outline=outline_score(
            float(np.mean(look.contrasts)),
            _relative_changes(areas),
            at_border=bool(
                np.mean(np.array(candidate.cut_by_border)[areas > 0]) > _MOSTLY_AT_BORDER
            ),
        ),
        compactness=float(np.mean(look.solidities)),
        support=_usual_support(candidate),
    )


def _relative_changes(areas: FloatArray) -> FloatArray:
    """Return the relative change of the area between neighboring frames that show it."""
    before, after = areas[:-1], areas[1:]
    both = (before > 0) & (after > 0)
    largest = np.maximum(before[both], after[both])
    changes: FloatArray = np.abs(after[both] - before[both]) / largest
    return changes


@dataclass(eq=False, slots=True)
class _PixelSamples:
    """Measurements of a candidate's pixels, frame by frame."""

    colors: FloatArray
    contrasts: list[float] = field(default_factory=list)
    solidities: list[float] = field(default_factory=list)


def _sample_pixels(
    video: VideoSource, survey: Survey, candidates: Sequence[Candidate]
) -> dict[int, _PixelSamples]:
    """Measure each candidate's pixels on frames that show much of it."""
    wanted: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        areas = np.array([0 if rle is None else rle.area for rle in candidate.masks])
        usual = float(np.median(areas[areas > 0]))
        shown = np.flatnonzero(areas >= max(1.0, _LOWEST_SIZE * usual))
        step = max(1, -(-len(shown) // _COLOR_FRAMES))
        for position in shown[::step]:
            wanted.setdefault(int(position), []).append(candidate)
    height, width = survey.size
    looks = {item.candidate_id: _PixelSamples(np.zeros(NUM_COLOR_BINS)) for item in candidates}
    for position, shown_there in sorted(wanted.items()):
        (frame,) = video.read([survey.frames[position]])
        small = resize_image(frame, (height, width))
        for candidate in shown_there:
            mask = candidate.mask(position)
            if mask is None:
                continue
            look = looks[candidate.candidate_id]
            counts = color_histogram(small, _erode_rim(mask))
            # Each frame counts the same, however large it is there.
            look.colors = look.colors + counts / max(1.0, float(counts.sum()))
            look.contrasts.append(boundary_contrast(small, mask))
            look.solidities.append(solidity(mask))
    return looks


def _mean_clarity(candidate: Candidate) -> float:
    there = _where_seen(candidate.clarity, candidate)
    return float(np.mean(there)) if there else 0.0


def _usual_support(candidate: Candidate) -> float:
    there = _where_seen(candidate.support, candidate)
    return float(np.median(there)) if there else 1.0


def _where_seen(values: Sequence[float], candidate: Candidate) -> list[float]:
    return [value for value, seen in zip(values, candidate.visible, strict=False) if seen]


def _erode_rim(mask: BoolArray) -> BoolArray:
    """Drop the outermost pixels, which mix with the background, if enough remain."""
    import cv2

    inner = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return inner if inner.sum() >= _INNER_SHARE * mask.sum() else mask
