"""Folders of numbered pictures, and single pictures, as videos."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videoseg.errors import VideoError
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import rgb_frame, uniform_timestamps

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IMAGE_SUFFIXES", "ImageReader", "images_in", "natural_order"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

# Orientations 5 to 8 of the EXIF standard exchange rows and columns.
_EXIF_ORIENTATION = 0x0112
_EXIF_TRANSPOSED = frozenset({5, 6, 7, 8})


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``frame2`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
        for part in parts
        if part
    )


def images_in(folder: Path) -> list[Path]:
    """Return the pictures directly inside a folder in natural order, without hidden files."""
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
            and entry.is_file()
        ]
    return [folder / name for name in sorted(names, key=lambda name: (natural_order(name), name))]


class ImageReader:
    """Reads pictures as the frames of a video.

    Grey, palette, 16-bit and transparent pictures become RGB (alpha is ignored, 16 bits keep
    their upper eight), and the orientation a camera wrote into EXIF is applied. The header
    of every picture is read when the video is opened, so that a picture of another size is
    found before any work starts.

    Args:
        paths: The pictures in the order of the frames.
        fps: Frames per second.

    Raises:
        VideoError: If there is no picture, one cannot be read, or sizes differ.
    """

    # Reading one picture does not mean decoding those before it.
    random_access = True

    def __init__(self, paths: Sequence[str | Path], *, fps: float) -> None:
        self._paths = [Path(path) for path in paths]
        if not self._paths:
            raise VideoError("a video needs at least one picture, got none")
        self._size = self._header_size(0)
        for index in range(1, len(self._paths)):
            size = self._header_size(index)
            if size != self._size:
                raise VideoError(
                    f"{self._paths[index]} is {size[1]}x{size[0]} pixels but the frames before "
                    f"it are {self._size[1]}x{self._size[0]}; resize or remove it",
                    path=str(self._paths[index]),
                    frame=index,
                    reader="images",
                )
        self._timestamps = uniform_timestamps(len(self._paths), fps)

    @property
    def size(self) -> Size:
        """(height, width) of the frames, EXIF orientation applied."""
        return self._size

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames in seconds, shape (T,)."""
        return self._timestamps

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If the picture cannot be decoded or has changed size since.
        """
        from PIL import Image

        path = self._paths[index]
        try:
            with Image.open(path) as image:
                frame = rgb_frame(_to_rgb(image), name=str(path))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise self._unreadable(index, error) from error
        if frame.shape[:2] != self._size:
            raise VideoError(
                f"{path} was {self._size[1]}x{self._size[0]} pixels when the video was opened "
                f"and is {frame.shape[1]}x{frame.shape[0]} now; open the video again",
                path=str(path),
                frame=index,
                reader="images",
            )
        return frame

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for index in range(start, stop):
            yield self.read(index)

    def close(self) -> None:
        """Do nothing: no picture stays open."""

    def _header_size(self, index: int) -> Size:
        from PIL import Image

        try:
            with Image.open(self._paths[index]) as image:
                width, height = image.size
                transposed = _orientation(image) in _EXIF_TRANSPOSED
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise self._unreadable(index, error) from error
        return (width, height) if transposed else (height, width)

    def _unreadable(self, index: int, error: Exception) -> VideoError:
        path = self._paths[index]
        if not path.exists():
            reason = "there is no such file"
        elif path.stat().st_size == 0:
            reason = "the file is empty"
        else:
            reason = " ".join(str(error).split()) or type(error).__name__
        return VideoError(
            f"{path} cannot be read as a picture ({reason}); replace or remove it",
            path=str(path),
            frame=index,
            reader="images",
        )


def _orientation(image: Image.Image) -> int:
    # Asking a PNG without the chunk for its EXIF decodes the whole picture to look for it
    # behind the pixels; a header that has none is taken at its word.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    value = image.getexif().get(_EXIF_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image) -> Frame:
    from PIL import ImageOps

    orientation = _orientation(image)
    upright = ImageOps.exif_transpose(image) if orientation != 1 else image
    if upright.mode.startswith("I") or upright.mode == "F":
        # Pillow's own conversion clips at 255 instead of scaling.
        values = np.asarray(upright)
        if upright.mode == "F":
            grey: Frame = np.clip(values, 0, 255).astype(np.uint8)
        else:
            grey = (np.clip(values.astype(np.int64), 0, 65535) >> 8).astype(np.uint8)
        return grey
    rgb: Frame = np.asarray(upright.convert("RGB"))
    return rgb
