"""How far an object reaches around a point, when nobody drew a box."""

from __future__ import annotations

import numpy as np

from videoseg.types import BoolArray, Box, Frame, Point, Size
from videoseg_attributes.segmentation.motion_evidence import MotionEvidence
from videoseg_attributes.segmentation.region_cut import RegionCut, RegionHint, cut_region
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["cut_around_points", "moving_part_at", "standing_out"]

_REACHES = (0.05, 0.09, 0.15, 0.24)  # tried half sizes, in frame diagonals
_STILL = 0.6  # source pixels a frame; slower is not taken as motion
_WHOLE_MOTION = 0.85


def cut_around_points(
    image: Frame,
    motion: MotionEvidence,
    positive: tuple[Point, ...],
    negative: tuple[Point, ...],
    blocked: BoolArray | None,
) -> tuple[RegionCut, Box]:
    """Cut the object that holds some points, and say within which box it was looked for.

    The moving part under the points is taken if there is one; otherwise several extents are
    tried and the cut that stands out most from what is around it is kept.
    """
    size = (image.shape[0], image.shape[1])
    hints = []
    moving = moving_part_at(motion, positive, size)
    if moving is not None:
        prior, box = moving
        hints.append(RegionHint(box, positive, negative, prior, blocked=blocked))
    else:
        hints = [_hint_of_reach(size, reach, positive, negative, blocked) for reach in _REACHES]
    best: tuple[float, RegionCut, Box] | None = None
    for hint in hints:
        cut = cut_region(image, motion, hint)
        score = standing_out(image, cut.mask, hint.box)
        # Near ties go to the larger extent: parts of an object stand out, too.
        if best is None or score > 0.95 * best[0]:
            best = (max(score, 1e-6), cut, hint.box)
    if best is None:
        raise AssertionError("at least one extent is tried")
    return best[1], best[2]


def moving_part_at(
    motion: MotionEvidence, points: tuple[Point, ...], size: Size
) -> tuple[FloatImage, Box] | None:
    """Return the moving part of the frame under some points: probability and box.

    Returns:
        Probability on the motion's own grid, (h, w), and the part's box widened a little, in
        source pixels; None if the points do not move or nearly everything does.
    """
    import cv2

    if not motion.residuals:
        return None
    strength = motion.strength()
    height, width = strength.shape
    to_source = np.hypot(size[0], size[1]) / np.hypot(height, width)
    strength = np.asarray(cv2.GaussianBlur(strength, (0, 0), 1.5) * to_source, np.float32)
    rows = [min(height - 1, int(point.y * height / size[0])) for point in points]
    columns = [min(width - 1, int(point.x * width / size[1])) for point in points]
    here = float(np.median(strength[rows, columns]))
    if here < _STILL or here < 3 * float(np.median(strength)):
        return None
    part = (strength > max(_STILL, 0.35 * here)).astype(np.uint8)
    _, parts = cv2.connectedComponents(part)
    wanted = [label for label in np.unique(parts[rows, columns]) if label]
    chosen = np.isin(parts, wanted)
    share = float(chosen.mean())
    if not 0.0005 <= share <= _WHOLE_MOTION:
        return None
    ys, xs = np.nonzero(chosen)
    factor_x, factor_y = size[1] / width, size[0] / height
    x1, x2 = xs.min() * factor_x, (xs.max() + 1) * factor_x
    y1, y2 = ys.min() * factor_y, (ys.max() + 1) * factor_y
    margin = 0.05 * max(x2 - x1, y2 - y1)
    box = Box(x1 - margin, y1 - margin, x2 + margin, y2 + margin).clipped(size)
    if box is None:
        return None
    soft = cv2.GaussianBlur(chosen.astype(np.float32), (0, 0), 2.0)
    return np.asarray(0.05 + 0.9 * soft, dtype=np.float32), box


def standing_out(image: Frame, mask: BoolArray, box: Box) -> float:
    """Return how unlike its surroundings a mask is, in [0, 1].

    The distance of the colors inside to those in a band around the mask, lowered by the
    share of the border that merely follows the box.
    """
    import cv2

    pad = max(8, int(0.2 * max(box.width, box.height)))
    top, left = max(0, int(box.y1) - pad), max(0, int(box.x1) - pad)
    patch = (slice(top, int(np.ceil(box.y2)) + pad), slice(left, int(np.ceil(box.x2)) + pad))
    inside = mask[patch]
    if not inside.any():
        return 0.0
    radius = max(2, int(0.25 * np.sqrt(inside.sum())))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    around = (cv2.dilate(inside.astype(np.uint8), kernel) > 0) & ~inside
    if not around.any():
        return 0.0
    bins = (image[patch] >> 5).astype(np.intp)
    index = bins[..., 0] * 64 + bins[..., 1] * 8 + bins[..., 2]
    first, second = (
        np.bincount(index[region], minlength=512) / region.sum() for region in (inside, around)
    )
    distance = float(np.sqrt(max(0.0, 1.0 - float(np.sum(np.sqrt(first * second))))))
    border = inside & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    ys, xs = np.nonzero(border)
    on_box = (
        (xs + left <= box.x1 + 1)
        | (xs + left >= box.x2 - 2)
        | (ys + top <= box.y1 + 1)
        | (ys + top >= box.y2 - 2)
    )
    return distance * (1.0 - float(on_box.mean()) if len(xs) else 1.0) ** 2


def _hint_of_reach(
    size: Size,
    reach: float,
    positive: tuple[Point, ...],
    negative: tuple[Point, ...],
    blocked: BoolArray | None,
) -> RegionHint:
    radius = max(2.0, reach * float(np.hypot(*size)))
    xs, ys = [point.x for point in positive], [point.y for point in positive]
    wanted = Box(min(xs) - radius, min(ys) - radius, max(xs) + radius, max(ys) + radius)
    box = wanted.clipped(size) or Box(0, 0, size[1], size[0])
    return RegionHint(
        box, positive, negative, _near_points(size, positive, radius), blocked=blocked
    )


def _near_points(size: Size, points: tuple[Point, ...], radius: float) -> FloatImage:
    grid = (max(1, min(size[0], 120)), max(1, min(size[1], 160)))
    x = (np.arange(grid[1]) + 0.5)[None, :] * size[1] / grid[1]
    y = (np.arange(grid[0]) + 0.5)[:, None] * size[0] / grid[0]
    nearest = np.min([np.hypot(x - p.x, y - p.y) for p in points], axis=0)
    near: FloatImage = (0.05 + 0.85 * np.exp(-0.5 * np.square(nearest / (0.55 * radius)))).astype(
        np.float32
    )
    return near
