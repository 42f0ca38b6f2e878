"""Split two touching objects of one color by the shapes they have while they are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from videoseg.types import BoolArray, FloatArray
from videoseg_attributes.regions.association import OutlinedTrack, shift_mask
from videoseg_attributes.regions.outlined_parts import OutlinedPart

__all__ = ["split_touching"]

# Set by hand on drawn clips in which objects of one color touch; not measured separately.
_SAME_COLOR = 20.0  # distance in ``surface_colors``
_LEAST_APART, _SHARE_APART = 3, 0.2  # frames on which both must be seen apart
_CLEAR_OUTLINE = 0.85  # of an outline that is clear
_KEEPS_SHAPE = 0.8  # intersection over union from frame to frame, as a rule
_REACH = 6  # pixels an object may be off its expected place
_OVERLAP_COST = 0.5  # for each pixel that both objects cover
_ROUNDS = 2  # of placing one object after the other
_FITTING = 0.7  # of each former shape must lie where the two are now
_LEAST_SHOWN = 0.3  # of each former area; less, and it may as well be hidden
_EXPLAINED = 0.8  # of where the two are, by both former shapes
_NEAR = 2.0  # pixels a shape may be off
_AWAY_COST = 0.01  # of a shape's area, for each pixel away from its expected place

_Shift: TypeAlias = tuple[int, int]


def split_touching(
    chains: Sequence[OutlinedTrack], parts: Sequence[Sequence[OutlinedPart]], shots: Sequence[int]
) -> None:
    """Split parts that show two objects at once, one part for each track.

    Two objects of one color that touch have one outline. If they are apart shortly before or
    after, their shapes from then, moved along, show where one ends.

    Args:
        chains: The tracks of the objects, changed in place.
        parts: The parts of each frame.
        shots: The number of each frame's shot; no shape is used across a cut.
    """
    least = max(_LEAST_APART, _SHARE_APART * len(parts))
    # Cloth and water change shape all the time, so it does not predict the next frame.
    solid = [
        chain
        for chain in chains
        if len(chain.parts) >= least
        and chain.outlined > _CLEAR_OUTLINE
        and _shape_stability(chain) > _KEEPS_SHAPE
    ]
    for whole in solid:
        for missing in solid:
            if missing is whole or len(whole.parts.keys() & missing.parts.keys()) < least:
                continue
            if math.dist(whole.last.color, missing.last.color) > _SAME_COLOR:
                continue
            for step in (1, -1):
                _carry(whole, missing, step, parts, shots)


def _carry(
    whole: OutlinedTrack,
    missing: OutlinedTrack,
    step: int,
    parts: Sequence[Sequence[OutlinedPart]],
    shots: Sequence[int],
) -> None:
    count = len(parts)
    for position in range(count) if step > 0 else range(count - 1, -1, -1):
        before = position - step
        if position not in whole.parts or position in missing.parts:
            continue
        if before not in whole.parts or before not in missing.parts:
            continue
        if shots[before] != shots[position]:
            continue
        merged = whole.parts[position]
        others = [part.mask for part in parts[position] if not (part.mask & merged.mask).any()]
        divided = _divide(
            merged.mask,
            (whole.parts[before].mask, missing.parts[before].mask),
            (_expected_shift(whole, position, step), _expected_shift(missing, position, step)),
            np.any(others, axis=0) if others else np.zeros_like(merged.mask),
        )
        if divided is not None:
            whole.parts[position] = _replace_mask(merged, divided[0])
            missing.parts[position] = _replace_mask(merged, divided[1])


def _shape_stability(chain: OutlinedTrack) -> float:
    """Return the median intersection over union of its shape from frame to frame."""
    shares = []
    for position, part in chain.parts.items():
        following = chain.parts.get(position + 1)
        if following is None:
            continue
        right, down = (
            round(after - before)
            for before, after in zip(part.center, following.center, strict=True)
        )
        moved = shift_mask(part.mask, right, down)
        either = float((moved | following.mask).sum())
        shares.append(float((moved & following.mask).sum()) / max(1.0, either))
    return float(np.median(shares)) if shares else 0.0


def _expected_shift(chain: OutlinedTrack, position: int, step: int) -> _Shift:
    """Return how far an object should have moved since the last frame, at constant velocity."""
    last, earlier = chain.parts[position - step], chain.parts.get(position - 2 * step)
    if earlier is None:
        return (0, 0)
    return (
        round(last.center[0] - earlier.center[0]),
        round(last.center[1] - earlier.center[1]),
    )


def _divide(
    merged: BoolArray,
    shapes: tuple[BoolArray, BoolArray],
    expected: tuple[_Shift, _Shift],
    hidden: BoolArray,
) -> tuple[BoolArray, BoolArray] | None:
    """Return the two objects in one region, or None if it does not show both.

    Args:
        merged: The region, shape (h, w).
        shapes: Both objects on the frame before.
        expected: How far each should have moved since.
        hidden: Where other objects are, which may cover these two.
    """
    worth = np.where(merged, np.float32(1), np.float32(-1))
    worth[hidden] = 0
    placed = [shift_mask(shape, *move) for shape, move in zip(shapes, expected, strict=True)]
    for _ in range(_ROUNDS):
        for index in (0, 1):
            # Pixels that the other one explains count against this one.
            left = np.where(placed[1 - index] & merged, np.float32(-_OVERLAP_COST), worth)
            placed[index] = _place_best(shapes[index], expected[index], left)
    for shape in placed:
        visible = float((shape & ~hidden).sum())
        if float((shape & merged).sum()) < _FITTING * max(1.0, visible):
            return None
    first, second = (_signed_distance(shape) for shape in placed)
    explained = np.minimum(first, second) <= _NEAR
    if float((merged & explained).sum()) < _EXPLAINED * float(merged.sum()):
        return None
    mine: BoolArray = merged & (first <= second)
    theirs: BoolArray = merged & ~mine
    for own, shape in zip((mine, theirs), shapes, strict=True):
        if float(own.sum()) < _LEAST_SHOWN * float(shape.sum()):
            return None
    return mine, theirs


def _place_best(shape: BoolArray, expected: _Shift, worth: FloatArray) -> BoolArray:
    """Return a shape moved to the best-scoring place near the expected one."""
    import cv2

    moved = shift_mask(shape, *expected)
    rows, columns = np.nonzero(moved)
    if not len(rows):
        return moved
    top, left = int(rows.min()), int(columns.min())
    piece = moved[top : int(rows.max()) + 1, left : int(columns.max()) + 1].astype(np.float32)
    padded = np.pad(worth, _REACH).astype(np.float32)
    around = padded[
        top : top + piece.shape[0] + 2 * _REACH, left : left + piece.shape[1] + 2 * _REACH
    ]
    scores = np.asarray(cv2.matchTemplate(around, piece, cv2.TM_CCORR))
    # Of equally good places, the one nearest to the expected one.
    away = np.hypot(*np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1])
    scores = scores - np.float32(_AWAY_COST) * float(piece.sum()) * away
    down, right = np.unravel_index(int(scores.argmax()), scores.shape)
    return shift_mask(moved, int(right) - _REACH, int(down) - _REACH)


def _signed_distance(shape: BoolArray) -> FloatArray:
    """Return the distance of each pixel to a shape, negative inside, in pixels."""
    import cv2

    if not shape.any():
        return np.full(shape.shape, np.inf)
    away, depth = (
        cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
        for side in (~shape, shape)
    )
    return np.asarray(away - depth, dtype=np.float64)


def _replace_mask(merged: OutlinedPart, mask: BoolArray) -> OutlinedPart:
    rows, columns = np.nonzero(mask)
    return replace(
        merged,
        mask=mask,
        center=(float(columns.mean()), float(rows.mean())),
        area=float(len(rows)),
    )
