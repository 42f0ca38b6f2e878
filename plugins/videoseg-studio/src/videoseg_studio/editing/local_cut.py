"""What one click on a mask changes: the part around it that looks alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, Frame, Point

__all__ = ["cut_around"]

# Chosen with ``tests/benchmarks/studio_corrections.py`` on clips of DAVIS.
_REACH = 2.5
"""How far a click reaches, in distances from it to the outline of the mask: who clicks in the
middle of what is wrong has the outline about half its width away."""

_LEAST_REACH, _MOST_REACH = 0.02, 0.1
"""Limits of that, in diagonals of the frame."""

_SURE = 0.7
"""Up to here all pixels are what was clicked, in distances to the outline."""

_LIKELY = 1.2
"""Up to here they are at first taken to be; colors then decide."""

_MOST_SURE, _MOST_LIKELY = 0.01, 0.02
"""Limits of both, in diagonals of the frame: a leg may be clicked far from the body."""

_LEAST_SURE = 3.0
"""Pixels that certainly change around a click: it must be seen to do something."""

_ROUNDS = 2
"""Cuts, before each of which colors are learned anew."""

_COMPONENTS, _CHANNELS = 5, 3
"""Of the mixtures of Gaussians of OpenCV's GrabCut."""

_FIRST_VARIANCE = 200.0
"""Of the colors of each component before they are learned, in squared gray levels."""


def cut_around(image: Frame, mask: BoolArray, point: Point) -> BoolArray:
    """Return the pixels that are on the wrong side of a mask's outline, as a click says.

    A minimum cut in the surroundings of the click, between what is on the other side there and
    looks like the rest of that side, and what looks like what was clicked (GrabCut, Rother and
    others 2004). The same arguments give the same pixels.

    Args:
        image: The frame, shape (H, W, 3), RGB uint8.
        mask: The mask, shape (H, W).
        point: What was clicked: a missing part if it is outside the mask, else a part too much.

    Returns:
        Shape (H, W); in one piece, which holds the point and changes sides.
    """
    import cv2

    height, width = mask.shape
    column, row = int(point.x), int(point.y)
    diagonal = float(np.hypot(height, width))
    side = mask if not mask[row, column] else ~mask
    distance = _distance_to(side, column, row)
    reach = float(np.clip(_REACH * distance, _LEAST_REACH * diagonal, _MOST_REACH * diagonal))
    around = int(2 * reach) + 2
    rows = slice(max(0, row - around), row + around + 1)
    columns = slice(max(0, column - around), column + around + 1)
    there = side[rows, columns]
    y, x = np.ogrid[rows.start : rows.start + there.shape[0], : there.shape[1]]
    apart = np.hypot(x + columns.start + 0.5 - point.x, y + 0.5 - point.y)
    certain = min(_SURE * distance, _MOST_SURE * diagonal)
    sure = (apart <= max(_LEAST_SURE, certain)) | (apart == apart.min())
    labels = np.where(apart <= reach, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    labels[apart <= min(_LIKELY * distance, _MOST_LIKELY * diagonal, reach)] = cv2.GC_PR_FGD
    labels[there | sure] = cv2.GC_FGD
    found = _cut(np.ascontiguousarray(image[rows, columns]), labels) & (apart <= reach)
    changed = np.zeros(mask.shape, dtype=bool)
    changed[rows, columns] = (found | sure) & ~there
    _, pieces = cv2.connectedComponents(changed.astype(np.uint8), connectivity=4)
    piece: BoolArray = pieces == pieces[row, column]
    return piece


def _distance_to(side: BoolArray, column: int, row: int) -> float:
    """Return how far the nearest pixel of a side is; the size of the frame if there is none."""
    import cv2

    if not side.any():
        return float(np.hypot(*side.shape))
    away = cv2.distanceTransform((~side).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(away[row, column])


def _cut(image: Frame, labels: npt.NDArray[np.uint8]) -> BoolArray:
    import cv2

    is_front = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if is_front.all():
        return np.ones(labels.shape, dtype=bool)
    # With models of our own GrabCut draws no random numbers.
    back, front = _first_model(image[~is_front]), _first_model(image[is_front])
    cv2.grabCut(image, labels, (0, 0, 0, 0), back, front, _ROUNDS, cv2.GC_EVAL)
    result: BoolArray = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return result


def _first_model(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return a mixture to begin with: components from dark to light, all of one width."""
    ordered = colors[np.argsort(colors.sum(axis=1, dtype=np.int64), kind="stable")]
    places = (np.arange(_COMPONENTS) + 0.5) / _COMPONENTS * len(ordered)
    means = ordered[places.astype(int)].astype(np.float64)
    # OpenCV's layout: weights, means, covariances.
    covariance = np.eye(_CHANNELS) * _FIRST_VARIANCE
    parts = [
        np.full(_COMPONENTS, 1 / _COMPONENTS),
        means.ravel(),
        np.tile(covariance.ravel(), _COMPONENTS),
    ]
    return np.concatenate(parts).reshape(1, -1)
