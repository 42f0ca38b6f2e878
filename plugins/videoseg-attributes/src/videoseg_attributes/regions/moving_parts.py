"""Moving parts of the surveyed frames, and which of them to track first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from videoseg.types import BoolArray, FloatArray, IntArray
from videoseg_attributes.regions.components import PixelBox, find_components
from videoseg_attributes.regions.frames import SurveyFrame
from videoseg_attributes.regions.threads import map_in_threads
from videoseg_attributes.vision.guided_filter import guided_filter
from videoseg_attributes.vision.histograms import HistogramCue
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = [
    "MovingPart",
    "coarse_bins",
    "color_distance",
    "motion_probability",
    "moving_parts",
    "rank_seeds",
]

# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_PROBABILITY_LEVELS = (0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.93, 0.97)  # of ``motion_probability``
_STRENGTH_LEVELS = (0.12, 0.2, 0.35, 0.5, 0.7)  # of the fastest motion in the frame
_SMALLEST, _LARGEST = 0.0012, 0.6  # of the frame
_LOWEST = 0.25  # pixels of the survey's grid a frame: slower is not called moving
_SIZE_POWER = 0.25  # large parts stand out more, but much less than in proportion
_BORDER_COST = 0.5  # for contact with the border as long as the root of the area
_NESTED = 0.25  # of the smaller of two parts: more in common, and only the better is kept
_MOTION_WEIGHT, _MOTION_FLOOR, _MOTION_EVEN = 1.5, 0.03, 0.3  # odds are even at the last
_EDGE_EPSILON = 1e-3  # guide variance below which the guided filter sees a flat region
_FASTEST_FLOOR = 0.15  # pixels of the survey's grid a frame
_LEAST_PIXELS = 6.0  # pixels of the survey's grid
_LOWEST_OF_NOISE = 1.5  # times the noise
_BAND = 0.35  # width of the band around a part, of the square root of its area


@dataclass(frozen=True, eq=False, slots=True)
class MovingPart:
    """A region of one surveyed frame that may be an object or a piece of one.

    Args:
        position: Position of the frame in the survey.
        mask: Shape (h, w).
        score: How much it stands out, >= 0; comparable between moving parts.
    """

    position: int
    mask: BoolArray
    score: float


def moving_parts(
    frames: Sequence[SurveyFrame], cues: Sequence[HistogramCue]
) -> list[list[MovingPart]]:
    """Return for each frame the disjoint parts that move unlike the camera, best first.

    Motion alone bleeds over borders and marks reflections, wakes and parallax. Regions are
    therefore cut at several levels of both the motion and ``motion_probability``. Of regions
    that overlap, the one whose motion and colors differ most from a band around it is kept.

    Args:
        frames: The surveyed frames of one shot or of several.
        cues: The quantized colors of each frame.
    """
    relative = map_in_threads(_relative_strength, frames)
    probability = motion_probability(frames, cues, relative)

    def look(position: int) -> list[MovingPart]:
        frame, cue = frames[position], cues[position]
        regions = _regions(probability[position], _PROBABILITY_LEVELS, frame)
        regions += _regions(relative[position], _STRENGTH_LEVELS, frame)
        rooted = np.sqrt(frame.supported)
        coarse, num_bins = coarse_bins(cue.bins, cue.shape)
        scored = [
            (_score(mask, box, rooted, coarse, num_bins), mask, box) for mask, box in regions
        ]
        return _drop_nested(position, scored)

    return map_in_threads(look, range(len(frames)))


def motion_probability(
    frames: Sequence[SurveyFrame],
    cues: Sequence[HistogramCue],
    relative: Sequence[FloatImage],
) -> list[FloatImage]:
    """Sharpen motion by the colors that move in these frames.

    Water beside a swan moves in some places and the same water elsewhere does not; the
    swan's colors move wherever they are seen.

    Args:
        frames: The surveyed frames.
        cues: Their quantized colors.
        relative: Their motion relative to the frame's fastest, in [0, 1], each (h, w).

    Returns:
        Probability of an independently moving object, each (h, w).
    """
    import cv2

    moving = np.sum([cue.sample(m**2) for cue, m in zip(cues, relative, strict=True)], axis=0)
    still = np.sum(
        [cue.sample((1 - m) ** 2) for cue, m in zip(cues, relative, strict=True)], axis=0
    )
    rarity = 0.5 * float(np.log(max(moving.sum(), 1e-6) / max(still.sum(), 1e-6)))
    table = cues[0].log_ratios(moving, still) if cues else np.zeros(0, np.float32)

    def look(position: int) -> FloatImage:
        odds = cv2.blur(table[cues[position].bins], (3, 3)) + rarity
        motion = relative[position]
        odds = odds + _MOTION_WEIGHT * np.log((motion + _MOTION_FLOOR) / _MOTION_EVEN)
        sharp = (1 / (1 + np.exp(-odds))).astype(np.float32)
        guide = frames[position].image.astype(np.float32) / np.float32(255)
        return np.clip(guided_filter(guide, sharp, radius=4, epsilon=_EDGE_EPSILON), 0, 1)

    return map_in_threads(look, range(len(frames)))


def color_distance(coarse: IntArray, num_bins: int, first: BoolArray, second: BoolArray) -> float:
    """Return the Hellinger distance between the colors of two parts of a patch, in [0, 1].

    Args:
        coarse: The patch's colors as ``coarse_bins`` gives them.
        num_bins: How many there are.
        first: One part of the patch.
        second: The other part.
    """
    # A quarter of the resolution: a band holds too few pixels for more bins.
    one, other = (np.bincount(coarse[side], minlength=num_bins) for side in (first, second))
    overlap = float(np.sum(np.sqrt(one / max(1, one.sum()) * (other / max(1, other.sum())))))
    return float(np.sqrt(max(0.0, 1.0 - overlap)))


def coarse_bins(bins: IntArray, shape: tuple[int, ...]) -> tuple[IntArray, int]:
    """Join pairs of neighboring bins along each axis; return the bins and how many there are."""
    table, num_bins = _coarse_table(shape)
    return table[bins], num_bins


@lru_cache(maxsize=4)
def _coarse_table(shape: tuple[int, ...]) -> tuple[IntArray, int]:
    parts = np.unravel_index(np.arange(math.prod(shape)), shape)
    halves = tuple(-(-size // 2) for size in shape)
    table = np.asarray(np.ravel_multi_index(tuple(part // 2 for part in parts), halves))
    table.setflags(write=False)
    return table, math.prod(halves)


def _relative_strength(frame: SurveyFrame) -> FloatImage:
    import cv2

    strength = cv2.GaussianBlur(frame.supported, (0, 0), 1.0)
    fastest = float(np.percentile(strength, 98))
    # A floor, so that the noise of a still frame is not stretched into motion.
    relative = np.clip(strength / max(fastest + _FASTEST_FLOOR, 4 * frame.noise), 0, 1)
    return np.asarray(relative, dtype=np.float32)


def _regions(
    level_map: FloatImage, levels: Sequence[float], frame: SurveyFrame
) -> list[tuple[BoolArray, PixelBox]]:
    import cv2

    smallest = max(_LEAST_PIXELS, _SMALLEST * level_map.size)
    lowest = max(_LOWEST, _LOWEST_OF_NOISE * frame.noise)
    regions = []
    for level in levels:
        above = (level_map > level).astype(np.uint8)
        binary = cv2.morphologyEx(above, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        found = find_components(np.asarray(binary, dtype=np.uint8))
        fitting = (found.areas >= smallest) & (found.areas <= _LARGEST * level_map.size)
        for label in np.flatnonzero(fitting).tolist():
            left, top, width, height = found.box_of(label)
            rows, columns = slice(top, top + height), slice(left, left + width)
            inside = found.labels[rows, columns] == label
            if float(np.median(frame.strength[rows, columns][inside])) < lowest:
                continue
            mask = np.zeros(level_map.shape, dtype=bool)
            mask[rows, columns] = inside
            regions.append((mask, (left, top, width, height)))
    return regions


def _score(
    mask: BoolArray, box: PixelBox, rooted: FloatImage, coarse: IntArray, num_bins: int
) -> float:
    import cv2

    left, top, width, height = box
    area = np.count_nonzero(mask[top : top + height, left : left + width])
    reach = max(6, round(_BAND * np.sqrt(area)))
    rows = slice(max(0, top - reach), top + height + reach)
    columns = slice(max(0, left - reach), left + width + reach)
    patch = mask[rows, columns]
    away = cv2.distanceTransform((~patch).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    band = (away > 2) & (away <= reach)
    if not band.any():
        return 0.0
    motion = float(rooted[rows, columns][patch].mean() - rooted[rows, columns][band].mean())
    if motion <= 0:
        return 0.0
    color = color_distance(coarse[rows, columns], num_bins, patch, band)
    contact = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    border = float(np.exp(-_BORDER_COST * float(contact) / np.sqrt(area)))
    return float(motion * color * (area / mask.size) ** _SIZE_POWER * border)


def _drop_nested(
    position: int, scored: list[tuple[float, BoolArray, PixelBox]]
) -> list[MovingPart]:
    kept: list[tuple[MovingPart, int]] = []
    for score, mask, (left, top, width, height) in sorted(scored, key=lambda item: -item[0]):
        if score <= 0:
            break
        box = slice(top, top + height), slice(left, left + width)
        patch = mask[box]
        area = int(np.count_nonzero(patch))
        if all(
            np.count_nonzero(patch & part.mask[box]) / min(area, other) < _NESTED
            for part, other in kept
        ):
            kept.append((MovingPart(position, mask, score), area))
    return [part for part, _ in kept]


def rank_seeds(
    parts: Sequence[Sequence[MovingPart]], cues: Sequence[HistogramCue]
) -> list[MovingPart]:
    """Rank the moving parts of all frames as seeds for tracking, the best first.

    A part ranks by its score and by recurrence: how well parts of similar colors score on the
    other frames. A ripple, or half an object in front of the lens, shows only once.

    Args:
        parts: The moving parts of each frame.
        cues: The quantized colors of each frame.
    """
    every = [part for here in parts for part in here]
    if not every:
        return []
    colors = np.stack([_colors(part, cues[part.position]) for part in every])
    alike = 1 - np.sqrt(np.clip(1 - colors @ colors.T, 0, 1))
    scores = np.array([part.score for part in every])
    positions = np.array([part.position for part in every])
    recurrence = np.zeros(len(every))
    for position in np.unique(positions):
        there = positions == position
        best = (alike[:, there] * scores[there]).max(axis=1)
        recurrence += np.where(there, 0.0, best)
    if len(np.unique(positions)) > 1:
        scores = scores * recurrence
    return [every[index] for index in np.argsort(-scores, kind="stable")]


def _colors(part: MovingPart, cue: HistogramCue) -> FloatArray:
    bins, num_bins = coarse_bins(cue.bins[part.mask], cue.shape)
    counts = np.bincount(bins, minlength=num_bins).astype(np.float64)
    roots: FloatArray = np.sqrt(counts / max(1.0, counts.sum()))
    return roots
