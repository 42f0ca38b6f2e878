"""Parts of the surveyed frames that stand out by their colours alone, moving or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.builtin.regions.frames import SurveyFrame
from videoseg.builtin.regions.moving_parts import Part, colour_distance
from videoseg.builtin.segmentation.cues import HistogramCue
from videoseg.builtin.vision.optical_flow import FloatImage
from videoseg.types import BoolArray, IntArray

__all__ = ["standing_parts"]

_NUM_COLOURS = 12
_SAMPLES_PER_FRAME = 600
_ROUNDS = 8
_LIGHTNESS_WEIGHT = 0.55  # light and shade vary on one thing, hue hardly
_SAME_HUE = 26.0  # weighted Lab distance up to which two colours may be one texture
_SMALLEST, _LARGEST = 0.0015, 0.3  # of the frame
_LEAST_CONTRAST = 0.72
_LEAST_SOLID = 0.55


def standing_parts(
    frames: Sequence[SurveyFrame], cues: Sequence[HistogramCue], positions: Sequence[int]
) -> list[Part]:
    """Return compact regions that differ clearly in colour from a band around them.

    Colours are clustered over all frames together, so that a thing keeps its cluster. Regions
    are the connected places of one cluster, or of two near ones (a checked or shaded surface).

    Args:
        frames: The surveyed frames.
        cues: Their quantised colours.
        positions: Positions of the frames to search.

    Returns:
        The parts of all searched frames, best first; those of one frame are disjoint.
    """
    searched = [_smooth_colours(frames[position]) for position in positions]
    if not searched:
        return []
    centers = _cluster_colours(searched)
    groups = _colour_groups(centers)
    found: list[Part] = []
    for position, colours in zip(positions, searched, strict=True):
        labels = _nearest(colours.reshape(-1, 3), centers).reshape(colours.shape[:2])
        scored = [
            (score, mask)
            for group in groups
            for mask, box in _compact_regions(np.isin(labels, group))
            if (score := _contrast(mask, box, cues[position])) > 0
        ]
        found += _disjoint(position, scored)
    return sorted(found, key=lambda part: -part.score)


def _smooth_colours(frame: SurveyFrame) -> FloatImage:
    import cv2

    smooth = np.stack(
        [cv2.medianBlur(np.ascontiguousarray(frame.image[..., c]), 5) for c in range(3)], axis=-1
    )
    lab = cv2.cvtColor(smooth.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    lab = np.asarray(lab, dtype=np.float32)
    lab[..., 0] *= _LIGHTNESS_WEIGHT
    return lab


def _cluster_colours(images: Sequence[FloatImage]) -> FloatImage:
    samples = np.concatenate([_spread_samples(image) for image in images])
    # Starting from colours that are far apart keeps a small vivid thing from being averaged away.
    centers = [samples.mean(axis=0)]
    distance = np.full(len(samples), np.inf, dtype=np.float32)
    while len(centers) < min(_NUM_COLOURS, len(samples)):
        distance = np.minimum(distance, np.sum((samples - centers[-1]) ** 2, axis=1))
        # The far end of the ordinary, not the one odd pixel.
        candidate = int(np.argsort(distance)[-max(1, len(samples) // 200)])
        centers.append(samples[candidate])
    found = np.stack(centers)
    for _ in range(_ROUNDS):
        labels = _nearest(samples, found)
        for label in range(len(found)):
            own = samples[labels == label]
            if len(own):
                found[label] = own.mean(axis=0)
    return found.astype(np.float32)


def _spread_samples(image: FloatImage) -> FloatImage:
    pixels = image.reshape(-1, 3)
    step = max(1, len(pixels) // _SAMPLES_PER_FRAME)
    return pixels[step // 2 :: step]


def _nearest(pixels: FloatImage, centers: FloatImage) -> IntArray:
    scores = pixels @ centers.T - 0.5 * np.sum(centers**2, axis=1)
    labels: IntArray = scores.argmax(axis=1)
    return labels


def _colour_groups(centers: FloatImage) -> list[list[int]]:
    apart = np.sqrt(np.sum((centers[:, None] - centers[None]) ** 2, axis=2))
    groups = [[index] for index in range(len(centers))]
    for first in range(len(centers)):
        for second in range(first + 1, len(centers)):
            if apart[first, second] < _SAME_HUE:
                groups.append([first, second])
    return groups


def _compact_regions(binary: BoolArray) -> list[tuple[BoolArray, tuple[int, int, int, int]]]:
    import cv2

    filled = cv2.morphologyEx(binary.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    filled = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    num, labels, stats, _ = cv2.connectedComponentsWithStats(filled)
    regions = []
    for label in range(1, num):
        left, top, width, height, area = (int(value) for value in stats[label])
        if not max(9.0, _SMALLEST * binary.size) <= area <= _LARGEST * binary.size:
            continue
        rows, columns = slice(top, top + height), slice(left, left + width)
        piece = (labels[rows, columns] == label).astype(np.uint8)
        outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        outline = max(outlines, key=cv2.contourArea)
        hull = float(cv2.contourArea(cv2.convexHull(outline)))
        solid = float(cv2.contourArea(outline)) / max(hull, 1.0)
        if solid < _LEAST_SOLID:
            continue
        mask = np.zeros(binary.shape, dtype=np.uint8)
        # Holes belong to the thing: a pattern, a shine.
        cv2.drawContours(mask, [outline], -1, 1, cv2.FILLED, offset=(left, top))
        regions.append((mask.astype(bool), (left, top, width, height)))
    return regions


def _contrast(mask: BoolArray, box: tuple[int, int, int, int], cue: HistogramCue) -> float:
    import cv2

    left, top, width, height = box
    area = float(mask.sum())
    reach = max(5, round(0.3 * np.sqrt(area)))
    rows = slice(max(0, top - reach), top + height + reach)
    columns = slice(max(0, left - reach), left + width + reach)
    patch = mask[rows, columns]
    away = cv2.distanceTransform((~patch).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    band = (away > 1.5) & (away <= reach)
    if not band.any():
        return 0.0
    contrast = colour_distance(cue, (rows, columns), patch, band)
    if contrast < _LEAST_CONTRAST:
        return 0.0
    contact = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    border = float(np.exp(-0.6 * float(contact) / np.sqrt(area)))
    size = min(1.0, area / (0.02 * mask.size)) ** 0.25
    return float((contrast - _LEAST_CONTRAST) / (1 - _LEAST_CONTRAST) * border * size)


def _disjoint(position: int, scored: list[tuple[float, BoolArray]]) -> list[Part]:
    kept: list[Part] = []
    for score, mask in sorted(scored, key=lambda pair: -pair[0]):
        if not any((mask & part.mask).any() for part in kept):
            kept.append(Part(position, mask, score, False))
    return kept
