"""Types of the arrays that pass between stages, and conversion of what callers give as masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, ShapeError
from videoseg.text import shorten
from videoseg.types.scalars import whole_number

__all__ = [
    "BoolArray",
    "FloatArray",
    "Frame",
    "IntArray",
    "Size",
    "as_bool",
    "as_mask",
    "as_masks",
]

Frame: TypeAlias = npt.NDArray[np.uint8]
"""One decoded frame: RGB, shape (H, W, 3), dtype uint8."""

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.floating]
IntArray: TypeAlias = npt.NDArray[np.integer]

Size: TypeAlias = tuple[int, int]
"""(height, width), always in that order, in pixels."""


def as_mask(mask: Any, name: str = "a mask") -> BoolArray:
    """Return one mask as bool, shape (H, W).

    Args:
        mask: bool, or numbers that are 0 and 1, or 0 and 255.
        name: What it is, for messages.

    Raises:
        ShapeError: If it is not two-dimensional or has no pixel.
        ConfigError: If it holds anything else: logits, probabilities, several object ids.
    """
    array = _as_array(mask, name)
    if array.ndim != 2 or array.size == 0:
        raise ShapeError(name, actual=array.shape, expected="(H, W) with H, W >= 1")
    return as_bool(array, name)


def as_bool(masks: Any, name: str = "a mask") -> BoolArray:
    """Return an array of masks of any shape as bool; their values are checked as ``as_mask`` does.

    Raises:
        ConfigError: If it holds anything but True and False, 0 and 1, or 0 and 255.
    """
    array = _as_array(masks, name)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise ConfigError(f"{name} must be an array of bool, got one of {array.dtype}")
    is_set: BoolArray = array != 0
    if not array.size or any(
        np.array_equal(array, np.where(is_set, array.dtype.type(high), array.dtype.type(0)))
        for high in ((1, 255) if array.dtype != np.int8 else (1,))
    ):
        return is_set
    low, high = (f"{bound:g}" for bound in (array.min(), array.max()))
    raise ConfigError(
        f"{name} holds values from {low} to {high} ({array.dtype}), but a mask is bool, 0 and 1, "
        "or 0 and 255; write mask > 0 of logits, mask > 0.5 of probabilities, ids == 3 of a "
        "picture of object ids"
    )


def as_masks(masks: Any, size: Size) -> dict[int, BoolArray]:
    """Return the masks of several objects by id, each as bool, shape (H, W).

    Args:
        masks: A mapping of whole numbers of any kind to what ``as_mask`` takes.
        size: (height, width) of every mask.

    Raises:
        ShapeError: If a mask has another size.
        ConfigError: If it is not a mapping, an id is not a whole number, or an array is not a
            mask.
    """
    if not isinstance(masks, Mapping):
        raise ConfigError(
            "masks must be a mapping of object ids to masks, such as {1: mask}, "
            f"got {shorten(masks)}"
        )
    checked = {}
    for key, mask in masks.items():
        object_id = whole_number(key, "object_id")
        what = f"the mask of object {object_id}"
        checked[object_id] = as_mask(mask, what)
        if checked[object_id].shape != tuple(size):
            raise ShapeError(what, actual=checked[object_id].shape, expected=str(tuple(size)))
    return checked


def _as_array(masks: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(masks)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"{name} must be an array of bool, got a value of type {type(masks).__name__} that "
            "cannot be made one; write (mask > 0).cpu().numpy() of a tensor"
        ) from error
