"""Several masks made one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, ShapeError
from videoseg.types.arrays import BoolArray, Size, as_masks
from videoseg.types.rle import Rle

__all__ = ["index_map", "union_of_rles"]


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


def index_map(masks: Mapping[int, BoolArray], size: Size) -> npt.NDArray[np.uint8]:
    """Flatten the masks of several objects into one picture of object ids.

    Where objects overlap the smaller one is on top, since it would otherwise disappear
    behind the larger; of two equally large ones the one with the lower id.

    Args:
        masks: For each object id, 1 to 255, a mask of shape (H, W).
        size: (height, width) of the picture.

    Returns:
        Shape (H, W), dtype uint8: the id of the object at each pixel, 0 for none.

    Raises:
        ShapeError: If a mask has another size.
        ConfigError: If an id does not fit into one byte, or a mask is none.
    """
    picture = np.zeros(size, np.uint8)
    checked = as_masks(masks, size)
    order = sorted(checked, key=lambda key: (-int(np.count_nonzero(checked[key])), -key))
    for object_id in order:
        if not 1 <= object_id <= 255:
            raise ConfigError(
                f"an index picture holds object ids 1 to 255, got {object_id}; "
                "renumber the objects or export PNG or COCO files instead"
            )
        picture[checked[object_id]] = object_id
    return picture
