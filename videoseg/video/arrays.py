"""Frames in memory: the conversion of any picture to an RGB frame, and a reader of arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.errors import ShapeError, VideoError
from videoseg.text import printable, shorten, shorten_text
from videoseg.types import FloatArray, Frame, Size

__all__ = [
    "DEFAULT_FPS",
    "EIGHT_BIT_MODES",
    "ArrayReader",
    "as_array",
    "is_pillow_image",
    "pillow_array",
    "rgb_frame",
    "uniform_timestamps",
    "varying_times",
]

EIGHT_BIT_MODES: dict[str, str] = {
    **dict.fromkeys(("1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX"), "RGB"),
    **dict.fromkeys(("CMYK", "YCbCr", "HSV"), "RGB"),
    "La": "LA",
    "RGBa": "RGBA",
}
"""Modes of Pillow with values of eight bits, and the next mode on the way to RGB."""

DEFAULT_FPS = 24.0
"""Frames per second of pictures that come without a time."""

_SHAPES = "(H, W, 3), (H, W, 4), (H, W, 1) or (H, W)"


def uniform_timestamps(num_frames: int, fps: float) -> FloatArray:
    """Return the times of frames at a constant rate, in seconds, shape (T,)."""
    times: FloatArray = np.arange(num_frames, dtype=np.float64) / fps
    times.flags.writeable = False
    return times


def is_pillow_image(value: object) -> bool:
    """Return whether a value is a picture of Pillow, without loading Pillow."""
    # Another thread may be loading it: then there is no picture of it yet.
    image_class = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return image_class is not None and isinstance(value, image_class)


def pillow_array(image: Any) -> npt.NDArray[Any]:
    """Return a picture of Pillow as an array, as RGB if its mode has eight bits.

    Otherwise palette indices or CMYK values would be taken for gray or RGB.
    """
    while image.mode in EIGHT_BIT_MODES and image.mode != "RGB":
        image = image.convert(EIGHT_BIT_MODES[image.mode])
    return np.asarray(image)


def as_array(value: Any, *, name: str) -> npt.NDArray[Any]:
    """Return a picture, or several, as an array; one of Pillow as RGB if it has eight bits.

    Raises:
        VideoError: If it cannot be converted to an array.
    """
    if is_pillow_image(value):
        from videoseg.video.picture_files import picture_errors

        try:
            return pillow_array(value)
        except picture_errors() as error:
            # Pillow decodes a file only when its pixels are used.
            reason = shorten_text(printable(" ".join(str(error).split())), 200)
            raise VideoError(
                f"{name} cannot be decoded ({reason}); replace its file, or leave it out"
            ) from error
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise VideoError(
            f"{name}, a value of type {type(value).__name__}, cannot be converted to an array; "
            "give tensor.detach().cpu() for a tensor on another device or with a gradient"
        ) from error


def rgb_frame(array: Any, *, name: str = "frame") -> Frame:
    """Return a read-only RGB frame from a color, gray or RGBA picture.

    A contiguous RGB array is not copied. Alpha is ignored: the stored color counts, whatever
    its opacity.

    Args:
        array: A picture, shape (H, W, 3), (H, W, 4), (H, W, 1) or (H, W), dtype uint8, or one
            of Pillow, of any mode with eight bits.
        name: Its name in errors.

    Returns:
        RGB uint8, shape (H, W, 3), contiguous and not writeable.

    Raises:
        ShapeError: If it has another shape or no pixels.
        VideoError: If the values are not uint8, it is a path instead of a picture, or it cannot
            be converted to an array.
    """
    if isinstance(array, (str, os.PathLike)):
        raise VideoError(
            f"{name} is a path ({shorten(os.fspath(array))}), not a picture; give a list in which "
            "all are paths, such as Video.open(sorted(paths)), or in which all are pictures"
        )
    picture = as_array(array, name=name)
    shape = picture.shape
    is_gray = picture.ndim == 2 or (picture.ndim == 3 and shape[2] == 1)
    if not is_gray and (picture.ndim != 3 or shape[2] not in (3, 4)):
        raise ShapeError(name, actual=shape, expected=_SHAPES)
    if 0 in shape:
        raise ShapeError(name, actual=shape, expected=f"{_SHAPES} with at least one pixel")
    if picture.dtype != np.uint8:
        raise VideoError(
            f"{name} must hold uint8 values in 0..255, got {picture.dtype}; "
            "scale it to 0..255 and call .astype(numpy.uint8)"
        )
    if is_gray:
        picture = np.broadcast_to(picture.reshape(shape[0], shape[1], 1), (*shape[:2], 3))
    frame: Frame = np.ascontiguousarray(picture[:, :, :3])
    # A view, so that the caller's own array stays as writeable as it was.
    frame = frame.view()
    frame.flags.writeable = False
    return frame


class ArrayReader:
    """Reads frames that are already in memory; each is converted when it is read.

    Args:
        frames: An array of shape (T, H, W, 3), (T, H, W, 4), (T, H, W, 1) or (T, H, W), or
            a sequence of pictures of one size; uint8. A single (H, W, 3) or (H, W, 4)
            picture is a video of one frame.
        fps: Frames per second.

    Attributes:
        size: (height, width) of the frames.
        timestamps: Times of the frames in seconds, shape (T,).

    Raises:
        ShapeError: If a shape does not fit or the pictures differ in size.
        VideoError: If there is no frame or the values are not uint8.
    """

    in_memory = True

    def __init__(self, frames: npt.NDArray[Any] | Sequence[Any], *, fps: float) -> None:
        self._frames = self._as_pictures(frames)
        if len(self._frames) == 0:
            raise VideoError("a video needs at least one frame, got none")
        first = rgb_frame(self._frames[0], name="frame 0")
        self.size: Size = (first.shape[0], first.shape[1])
        if not isinstance(self._frames, np.ndarray):
            for index, picture in enumerate(self._frames):
                shape = np.shape(picture)
                if shape[:2] != self.size or len(shape) not in (2, 3):
                    height, width = self.size
                    raise ShapeError(
                        f"frame {index}",
                        actual=tuple(shape),
                        expected=f"({height}, {width}, 3) like frame 0",
                    )
        self.timestamps = uniform_timestamps(len(self._frames), fps)

    @staticmethod
    def _as_pictures(frames: npt.NDArray[Any] | Sequence[Any]) -> npt.NDArray[Any] | list[Any]:
        if is_pillow_image(frames):
            return [frames]
        if not isinstance(frames, np.ndarray):
            return list(frames)
        if frames.ndim == 3 and frames.shape[2] in (3, 4):
            return frames[np.newaxis]
        if frames.ndim not in (3, 4) or (frames.ndim == 4 and frames.shape[3] not in (1, 3, 4)):
            raise ShapeError(
                "frames", actual=frames.shape, expected="(T, H, W, 3), (T, H, W, 4) or (T, H, W)"
            )
        return frames

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3)."""
        return rgb_frame(self._frames[index], name=f"frame {index}")

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for index in range(start, stop):
            yield self.read(index)

    def close(self) -> None:
        """Do nothing: the arrays belong to the caller."""


def varying_times(times: FloatArray, fps: float) -> tuple[float, ...]:
    """Return the times of a clip of variable rate; empty if frame i is shown at i / fps."""
    steady = np.arange(len(times)) / fps
    # Half of the precision with which times are printed; containers round by 1 ms at most.
    if bool((np.abs(times - steady) <= 0.005).all()):
        return ()
    return tuple(round(float(time), 6) for time in times)
