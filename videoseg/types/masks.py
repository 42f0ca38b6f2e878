"""Masks that segmenters and propagators return, and the mask tracks of a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from videoseg.errors import ConfigError, FrameNotFoundError, ShapeError
from videoseg.text import shorten
from videoseg.types.arrays import BoolArray, Size, as_mask
from videoseg.types.rle import Rle, checked_size
from videoseg.types.scalars import optional, real_number, set_fields, text_of, whole_number

__all__ = ["FrameMasks", "MaskTrack", "ObjectMask"]


@dataclass(frozen=True, eq=False, slots=True)
class ObjectMask:
    """A segmenter's answer for one prompt.

    Args:
        mask: Shape (H, W), dtype bool, of the source frame's size; numbers that are 0 and 1,
            or 0 and 255, are accepted as well.
        score: The segmenter's own estimate of its quality, in [0, 1]; None if it has none.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If it holds other values (logits, probabilities), or the score is not a
            number.
    """

    mask: BoolArray
    score: float | None = None

    def __post_init__(self) -> None:
        as_mask(self.mask, "the mask of a segmenter")
        set_fields(self, score=optional(real_number, self.score, "the score of a mask"))


@dataclass(frozen=True, eq=False, slots=True)
class FrameMasks:
    """The masks of one frame.

    Args:
        frame: Frame index of the source video.
        masks: For each object id a mask of shape (H, W), dtype bool. An object that has been
            prompted but is not visible has an all-False mask; one not yet prompted is absent.
        size: (height, width) of the frame.

    Raises:
        ShapeError: If a mask is not an array of bool of the frame's size.
        ConfigError: If the frame or an object id is not a whole number, or ``masks`` is not a
            mapping.
    """

    frame: int
    masks: Mapping[int, BoolArray]
    size: Size

    def __post_init__(self) -> None:
        set_fields(self, frame=whole_number(self.frame, "the frame of masks"))
        if not isinstance(self.masks, Mapping):
            raise ConfigError(
                f"the masks of frame {self.frame} must be a mapping of object ids to masks, such "
                f"as {{1: mask}}, got {shorten(self.masks)}"
            )
        if any(type(object_id) is not int for object_id in self.masks):
            masks = {whole_number(key, "object_id"): mask for key, mask in self.masks.items()}
            set_fields(self, masks=masks)
        for object_id, mask in self.masks.items():
            kind = str(getattr(mask, "dtype", type(mask).__name__))
            if np.shape(mask) != tuple(self.size) or kind != "bool":
                raise ShapeError(
                    f"the mask of object {object_id} on frame {self.frame} ({kind})",
                    actual=np.shape(mask),
                    expected=f"{tuple(self.size)}, dtype bool",
                )

    @property
    def union(self) -> BoolArray:
        """The union of all objects, shape (H, W)."""
        union = np.zeros(self.size, dtype=bool)
        for mask in self.masks.values():
            union |= mask
        return union


@dataclass(frozen=True, slots=True)
class MaskTrack:
    """One object's masks over all frames, kept as COCO RLE.

    Args:
        object_id: The object.
        size: (height, width) of every mask.
        masks: One for each frame of the video; None where the object is not visible.
        label: What the object is called.

    Raises:
        ShapeError: If a mask has another size.
        ConfigError: If id, size, masks or label are of another type.
    """

    object_id: int
    size: Size
    masks: tuple[Rle | None, ...]
    label: str = ""

    def __post_init__(self) -> None:
        object_id = whole_number(self.object_id, "object_id", least=1)
        size = checked_size(self.size, f"the size of the track of object {object_id}")
        if not isinstance(self.masks, Iterable):
            raise ConfigError(
                f"the masks of object {object_id} must be a sequence with an Rle or None for "
                f"every frame, got {shorten(self.masks)}"
            )
        masks = tuple(self.masks)
        label = text_of(self.label, f"the label of the track of object {object_id}")
        set_fields(self, object_id=object_id, size=size, masks=masks, label=label)
        for rle in self.masks:
            if not isinstance(rle, Rle | None):
                raise ConfigError(
                    f"a mask of object {object_id} must be an Rle or None, got {shorten(rle)}; "
                    "write Rle.encode(mask)"
                )
            if rle is not None and rle.size != size:
                raise ShapeError(
                    f"a mask of object {object_id}", actual=rle.size, expected=str(size)
                )

    def __len__(self) -> int:
        return len(self.masks)

    def __repr__(self) -> str:
        name = f" {self.label!r}" if self.label else ""
        return (
            f"<MaskTrack {self.object_id}{name}, visible on {len(self.visible_frames)} of "
            f"{len(self.masks)} frames>"
        )

    def mask(self, frame: int) -> BoolArray:
        """Return the mask of one frame, shape (H, W); all False where not visible.

        Args:
            frame: The frame index; negative ones count from the end.

        Raises:
            ConfigError: If the index is not a whole number.
            FrameNotFoundError: If there is no such frame; it is also an ``IndexError``.
        """
        frame = whole_number(frame, "the index of a frame")
        if not -len(self.masks) <= frame < len(self.masks):
            raise FrameNotFoundError(frame, len(self.masks))
        rle = self.masks[frame]
        return np.zeros(self.size, dtype=bool) if rle is None else rle.decode()

    @property
    def visible_frames(self) -> tuple[int, ...]:
        """Indices of the frames on which the object is visible."""
        return tuple(index for index, rle in enumerate(self.masks) if rle is not None)

    @property
    def areas(self) -> tuple[int, ...]:
        """Pixels covered on each frame."""
        return tuple(0 if rle is None else rle.area for rle in self.masks)

    def dense(self) -> BoolArray:
        """Return all masks, shape (T, H, W). Needs T x H x W bytes of memory."""
        return np.stack([self.mask(frame) for frame in range(len(self.masks))])
