"""Tracks one moving object through the surveyed frames, from the frame that shows it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from videoseg.masks import remove_specks
from videoseg.types import BoolArray
from videoseg_attributes.regions.frames import SurveyFrame
from videoseg_attributes.regions.moving_parts import MovingPart
from videoseg_attributes.regions.threads import map_in_threads
from videoseg_attributes.vision.guided_filter import guided_filter
from videoseg_attributes.vision.histograms import Histogram, HistogramCue
from videoseg_attributes.vision.motion import Homography, camera_flow, fit_camera_motion
from videoseg_attributes.vision.optical_flow import FloatImage, dense_flow, flow_confidence, warp

__all__ = ["MovingTrack", "Tracker"]

# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_PRIOR_WEIGHT = 0.6  # of the predicted mask, in log odds like the next three
_COLOR_WEIGHT = 1.2  # of the colors
_STRENGTH_WEIGHT = 1.2  # of the motion's strength
_PART_WEIGHT = 2.0  # of moving parts that agree
_STRENGTH_BINS = 16  # of motion strength
_SETTLING_ROUNDS = 3  # of learning from the seed
_MODEL_RATE = 0.05  # a surveyed frame
_SMALLEST = 0.0005  # of the frame
_SHRUNK = 0.12  # of the usual area: below, it counts as gone
_ALIKE = 0.6  # Hellinger distance of colors up to which a part may be the lost object
_SMALLEST_PIECE = 0.1  # of the largest piece's area
_LONGEST_FLOW_GAP = 15  # source frames; flow over longer gaps is not relied on
_SEED_SURE = (0.05, 0.85)  # probability of the pixels around and inside a seed
_SEED_OUTSIDE = 0.01  # probability of all other pixels
_UNTRUSTED_BLUR, _PART_BLUR = 4.0, 1.5  # pixels; where flow is not trusted, and around parts
_PART_INSIDE, _PART_OVERLAP = 0.6, 0.3  # of a part in the prediction; intersection over union
_PART_SIZES = (0.35, 2.8)  # of the object's area, for a part that may be the lost object
_PRIOR_LIMITS = (0.03, 0.97)  # of the predicted probability, before its logarithm is taken
_NEAR_PRIOR = 0.3  # probability from which a pixel counts as near
_COVERED_WEIGHT = 0.4  # where parts cover the prediction, what lies outside them counts less
_LEAST_COLOR = 0.15  # mean log ratio of the colors in a mask, or it has lost its object
_AREA_KEPT, _AREA_NEW = 0.8, 0.2  # weights of the running area
_IMPOSSIBLE = 5.5  # log odds at and below minus this are not refined
_EDGE_EPSILON = 1e-3  # guide variance below which the guided filter sees a flat region
_STRENGTH_RANGE = 40.0  # times the noise: faster motion shares a bin
_NEAR_REACH = 0.2  # of the square root of the area
_FAR_WEIGHT = 0.1  # of far background against near background
_CAMERA_STRIDE, _CAMERA_DRAWS = 8, 300  # pixels; where a hidden object is, is known roughly
_CERTAIN = (0.01, 0.99)  # limits of a probability before its logarithm is taken


@dataclass(eq=False, slots=True)
class MovingTrack:
    """One moving object on all surveyed frames.

    Args:
        seed: The part it was tracked from.
        probability: For each frame (h, w) in [0, 1]; None where it is not visible.
        support: For each frame, the score of the parts of that frame that agree with it.
    """

    seed: MovingPart
    probability: list[FloatImage | None]
    support: list[float]

    def mask(self, position: int) -> BoolArray | None:
        """Return where it is on one frame, shape (h, w); None where not visible."""
        probability = self.probability[position]
        return None if probability is None else probability > 0.5

    @property
    def num_visible(self) -> int:
        """On how many frames it is visible."""
        return sum(probability is not None for probability in self.probability)


@dataclass(eq=False, slots=True)
class _Model:
    """Appearance of a track and its surroundings, updated along the way."""

    color: Histogram
    surroundings: Histogram
    strength: Histogram
    quiet: Histogram
    area: float


@dataclass(frozen=True, eq=False)
class _Gap:
    """Flow from one surveyed frame to another, and back."""

    flow: FloatImage
    back: FloatImage

    @cached_property
    def confidence(self) -> FloatImage:
        """How far to trust the flow, in [0, 1], shape (h, w)."""
        return flow_confidence(self.flow, self.back)

    @cached_property
    def camera(self) -> Homography:
        """The camera's motion alone."""
        return fit_camera_motion(self.flow, stride=_CAMERA_STRIDE, most_draws=_CAMERA_DRAWS)


@dataclass(eq=False, slots=True)
class Tracker:
    """Tracks moving parts through surveyed frames.

    Args:
        frames: The surveyed frames.
        cues: The quantized colors of each.
        parts: The moving parts of each.
        shots: For each frame, the number of its shot; no track crosses a cut.
    """

    frames: Sequence[SurveyFrame]
    cues: Sequence[HistogramCue]
    parts: Sequence[Sequence[MovingPart]]
    shots: Sequence[int]
    _gaps: dict[tuple[int, int], _Gap] = field(default_factory=dict)
    _guides: dict[int, FloatImage] = field(default_factory=dict)
    _strengths: dict[int, HistogramCue] = field(default_factory=dict)

    def track(self, seed: MovingPart, taken: Sequence[BoolArray]) -> MovingTrack:
        """Track a part in both directions.

        Args:
            seed: The part.
            taken: For each frame, the pixels of earlier tracks.
        """
        num = len(self.frames)
        track = MovingTrack(seed, [None] * num, [0.0] * num)
        start = seed.position
        probability, model = self._settle(seed, taken[start])
        if float(np.count_nonzero(probability > 0.5)) < _SMALLEST * probability.size:
            return track
        track.probability[start] = probability
        track.support[start] = seed.score
        for step in (1, -1):
            self._track_one_way(track, model, step, taken)
        return track

    def prepare(self) -> None:
        """Measure the flow between all successive frames of one shot at once."""
        pairs = [
            (position, position + 1)
            for position in range(len(self.frames) - 1)
            if self.shots[position] == self.shots[position + 1]
        ]
        for gaps in map_in_threads(self._measure_gap, pairs):
            self._gaps.update(gaps)

    def flow_between(self, first: int, second: int) -> _Gap:
        """Return the flow from one surveyed frame to another, computed once."""
        if (first, second) not in self._gaps:
            self._gaps.update(self._measure_gap((first, second)))
        return self._gaps[first, second]

    def _measure_gap(self, pair: tuple[int, int]) -> dict[tuple[int, int], _Gap]:
        grays = [self.frames[position].gray for position in pair]
        there, back = (
            dense_flow(one, other, scale=1.0, preset="balanced")
            for one, other in (grays, grays[::-1])
        )
        return {pair: _Gap(there, back), pair[::-1]: _Gap(back, there)}

    def _settle(self, seed: MovingPart, taken: BoolArray) -> tuple[FloatImage, _Model]:
        import cv2

        cue = self.cues[seed.position]
        soft = np.asarray(cv2.GaussianBlur(seed.mask.astype(np.float32), (0, 0), 2.0))
        near = _near(seed.mask)
        inside = np.clip(soft, _SEED_SURE[0], _SEED_SURE[1])
        prior: FloatImage = np.where(near, inside, _SEED_OUTSIDE).astype(np.float32)
        probability = prior
        bins = self._strength_cue(seed.position)
        for _ in range(_SETTLING_ROUNDS):
            foreground, background = np.square(probability), _background_weight(probability, near)
            odds = _COLOR_WEIGHT * cue.log_ratio(foreground, background)
            odds = odds + 0.5 * bins.log_ratio(foreground, background)
            odds = odds + _logit(prior)
            odds[taken] = -6
            probability = self._refine(seed.position, odds)
        background = _background_weight(probability, near)
        model = _Model(
            cue.sample(probability**2),
            cue.sample(background),
            bins.sample(probability**2),
            bins.sample(background),
            float(np.count_nonzero(probability > 0.5)),
        )
        return probability, model

    def _track_one_way(
        self, track: MovingTrack, model: _Model, step: int, taken: Sequence[BoolArray]
    ) -> None:
        model = _Model(
            model.color.copy(),
            model.surroundings.copy(),
            model.strength.copy(),
            model.quiet.copy(),
            model.area,
        )
        position = track.seed.position
        current = track.probability[position]
        lost = False
        while 0 <= position + step < len(self.frames):
            previous, position = position, position + step
            if current is None:
                break
            prior = self._predict(current, position, previous, lost)
            mine = self._match_parts(prior, model, position, lost, taken[position])
            if mine:
                track.support[position] = max(part.score for part in mine)
            if prior is None and not mine:
                lost = True
                continue
            seen = self._update(prior, mine, model, position, taken[position], lost)
            if seen is None:
                lost = True
                current = prior if prior is not None else current
                continue
            lost = False
            current = seen
            track.probability[position] = seen
            self._learn(model, seen, position)

    def _predict(
        self, current: FloatImage, position: int, previous: int, lost: bool
    ) -> FloatImage | None:
        import cv2

        if self.shots[position] != self.shots[previous]:
            return None
        flow_between = self.flow_between(position, previous)
        far = abs(self.frames[position].index - self.frames[previous].index) > _LONGEST_FLOW_GAP
        if lost:
            # A hidden object stays where it was in the scene.
            flow = camera_flow(flow_between.camera, self.frames[position].size)
            return warp(current, flow, outside=0.0)
        carried = warp(current, flow_between.flow, outside=0.0)
        trust = flow_between.confidence * np.float32(0.5 if far else 1.0)
        wide = np.asarray(cv2.GaussianBlur(carried, (0, 0), _UNTRUSTED_BLUR))
        return np.asarray(trust * carried + (1 - trust) * wide, dtype=np.float32)

    def _match_parts(
        self,
        prior: FloatImage | None,
        model: _Model,
        position: int,
        lost: bool,
        taken: BoolArray,
    ) -> list[MovingPart]:
        mine: list[MovingPart] = []
        for part in self.parts[position]:
            area = float(np.count_nonzero(part.mask))
            if float(np.count_nonzero(part.mask & taken)) > 0.5 * area:
                continue
            expected = prior > 0.5 if prior is not None else None
            if expected is not None and not lost and expected.any():
                shared = float(np.count_nonzero(part.mask & expected))
                union = area + float(np.count_nonzero(expected)) - shared
                if shared / area > _PART_INSIDE or shared / union > _PART_OVERLAP:
                    mine.append(part)
            elif _PART_SIZES[0] < area / max(model.area, 1.0) < _PART_SIZES[1]:
                colors = self.cues[position].sample(part.mask.astype(np.float32))
                if _hellinger(colors, model.color) < _ALIKE:
                    mine.append(part)
        return mine[:1] if prior is None or lost else mine

    def _update(
        self,
        prior: FloatImage | None,
        mine: Sequence[MovingPart],
        model: _Model,
        position: int,
        taken: BoolArray,
        lost: bool,
    ) -> FloatImage | None:
        import cv2

        cue = self.cues[position]
        if prior is None or (lost and mine):
            prior = np.asarray(cv2.GaussianBlur(mine[0].mask.astype(np.float32), (0, 0), 2.0))
        prior_odds = _logit(np.clip(prior, _PRIOR_LIMITS[0], _PRIOR_LIMITS[1]))
        near = _near(prior > _NEAR_PRIOR)
        color = cue.look_up(model.color, model.surroundings)
        odds = _PRIOR_WEIGHT * prior_odds + _COLOR_WEIGHT * color
        odds += _STRENGTH_WEIGHT * self._strength_cue(position).look_up(
            model.strength, model.quiet
        )
        if mine:
            together = np.any([part.mask for part in mine], axis=0)
            soft = np.asarray(cv2.GaussianBlur(together.astype(np.float32), (0, 0), _PART_BLUR))
            covered = float(np.count_nonzero(together & (prior > 0.5))) / max(
                1, int(np.count_nonzero(prior > 0.5))
            )
            odds += _PART_WEIGHT * (soft - np.float32(_COVERED_WEIGHT * covered))
            near |= _near(together)
        odds[~near] = -6
        odds[taken] = -6
        probability = self._refine(position, odds)
        mask = probability > 0.5
        area = float(np.count_nonzero(mask))
        if area < max(_SMALLEST * mask.size, _SHRUNK * model.area):
            return None
        # In surroundings of its own color, a mask could live on without its object.
        if float(color[mask].mean()) < (0.5 if lost else _LEAST_COLOR):
            return None
        return probability

    def _learn(self, model: _Model, probability: FloatImage, position: int) -> None:
        bins, cue = self._strength_cue(position), self.cues[position]
        foreground = probability**2
        background = _background_weight(probability, _near(probability > 0.5))
        for old, new in (
            (model.color, cue.sample(foreground)),
            (model.surroundings, cue.sample(background)),
            (model.strength, bins.sample(foreground)),
            (model.quiet, bins.sample(background)),
        ):
            scale = old.sum() / max(new.sum(), 1e-6)
            old *= 1 - _MODEL_RATE
            old += _MODEL_RATE * scale * new
        model.area = _AREA_KEPT * model.area + _AREA_NEW * float(
            np.count_nonzero(probability > 0.5)
        )

    def _strength_cue(self, position: int) -> HistogramCue:
        if position not in self._strengths:
            frame = self.frames[position]
            level = np.log1p(frame.supported / np.float32(frame.noise)) / np.float32(
                np.log1p(_STRENGTH_RANGE)
            )
            bins = np.clip(level * _STRENGTH_BINS, 0, _STRENGTH_BINS - 1).astype(np.intp)
            self._strengths[position] = HistogramCue(bins, (_STRENGTH_BINS,), 2.0)
        return self._strengths[position]

    def _refine(self, position: int, odds: FloatImage) -> FloatImage:
        import cv2

        if position not in self._guides:
            image = self.frames[position].image
            self._guides[position] = image.astype(np.float32) / np.float32(255)
        possible = (odds > -_IMPOSSIBLE).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(possible)
        if width == 0 or height == 0:
            return np.zeros(odds.shape, dtype=np.float32)
        rows, columns = slice(top, top + height), slice(left, left + width)
        soft = 1 / (1 + np.exp(-cv2.blur(odds[rows, columns], (3, 3))))
        smooth = guided_filter(
            self._guides[position][rows, columns],
            soft.astype(np.float32),
            radius=3,
            epsilon=_EDGE_EPSILON,
        )
        sharp = 1 / (1 + np.exp(-8 * (smooth - np.float32(0.5))))
        sharp[possible[rows, columns] == 0] = 0
        result = np.zeros(odds.shape, dtype=np.float32)
        result[rows, columns] = sharp
        large = result > 0.5
        result[large & ~remove_specks(large, _SMALLEST_PIECE)] = 0
        return result


def _near(mask: BoolArray) -> BoolArray:
    import cv2

    radius = max(6, round(_NEAR_REACH * float(np.sqrt(np.count_nonzero(mask)))))
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    near: BoolArray = away <= radius
    return near


def _background_weight(probability: FloatImage, near: BoolArray) -> FloatImage:
    weight = np.where(near, np.float32(1.0), np.float32(_FAR_WEIGHT))
    return np.asarray(weight * np.square(1 - probability), dtype=np.float32)


def _hellinger(first: Histogram, second: Histogram) -> float:
    one, other = (_coarse(counts) for counts in (first, second))
    overlap = float(np.sum(np.sqrt(one / max(one.sum(), 1e-9) * (other / max(other.sum(), 1e-9)))))
    return float(np.sqrt(max(0.0, 1.0 - overlap)))


def _coarse(counts: Histogram) -> Histogram:
    a, b, c = (size // 2 for size in counts.shape)
    coarse: Histogram = counts.reshape(a, 2, b, 2, c, 2).sum(axis=(1, 3, 5))  # pairs of bins
    return coarse


def _logit(probability: FloatImage) -> FloatImage:
    safe = np.clip(probability, _CERTAIN[0], _CERTAIN[1])
    odds: FloatImage = np.log(safe / (1 - safe)).astype(np.float32)
    return odds
