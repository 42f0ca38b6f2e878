"""Several masks together: intersection over union, union, and a picture of object ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, ShapeError
from videoseg.types.arrays import BoolArray, Size, as_mask, as_masks
from videoseg.types.rle import Rle

__all__ = ["index_map", "iou", "union_of_rles"]


def iou(first: BoolArray, second: BoolArray) -> float:
    """Return intersection over union of two masks, in [0, 1]; 1 if both are empty.

    Args:
        first: Shape (H, W).
        second: Shape (H, W).

    Raises:
        ShapeError: If a mask is not two-dimensional or the shapes differ.
        ConfigError: If an array is not a mask; see ``videoseg.types.as_mask``.

    Example:
        >>> iou(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool))
        0.3333333333333333
    """
    first, second = as_mask(first, "the first mask"), as_mask(second, "the second mask")
    if first.shape != second.shape:
        raise ShapeError("the second mask", actual=second.shape, expected=str(first.shape))
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def union_of_rles(rles: Sequence[Rle | None], *, size: Size) -> Rle:
    """Return the union of encoded masks, merged run by run without decoding them.

    Args:
        rles: The masks; None stands for an empty one, as in a mask track.
        size: (height, width) of all of them.

    Raises:
        ShapeError: If a mask has another size.

    Example:
        >>> union_of_rles([None, None], size=(2, 3)).area
        0
    """
    from pycocotools import mask as coco

    present = [rle for rle in rles if rle is not None]
    for rle in present:
        if tuple(rle.size) != tuple(size):
            raise ShapeError("a mask", actual=tuple(rle.size), expected=str(tuple(size)))
    if not present:
        return Rle.empty(size)
    if len(present) == 1:
        return present[0]
    return Rle.from_coco(coco.merge([rle.to_coco() for rle in present]))


def index_map(
    masks: Mapping[int, BoolArray],
    size: Size,
    *,
    on_top: Literal["smaller", "lower-id"] = "smaller",
) -> npt.NDArray[np.uint8]:
    """Flatten the masks of several objects into one picture of object ids.

    Args:
        masks: For each object id, 1 to 255, a mask of shape (H, W).
        size: (height, width) of the picture.
        on_top: Which object has a pixel that several cover: the ``smaller`` one, which would
            otherwise disappear behind the larger (of two equally large ones the one with the
            lower id), or the one with the ``lower-id``, as in submissions to benchmarks.

    Returns:
        Shape (H, W), dtype uint8: the id of the object at each pixel, 0 for none.

    Raises:
        ShapeError: If a mask has another size.
        ConfigError: If an id does not fit into one byte, or an array is not a mask.
    """
    picture = np.zeros(size, np.uint8)
    checked = as_masks(masks, size)
    order = sorted(checked, reverse=True)
    if on_top == "smaller":
        order.sort(key=lambda key: -int(np.count_nonzero(checked[key])))
    for object_id in order:
        if not 1 <= object_id <= 255:
            raise ConfigError(
                f"an index picture holds object ids 1 to 255, got {object_id}; "
                "renumber the objects or export PNG or COCO files instead"
            )
        picture[checked[object_id]] = object_id
    return picture
