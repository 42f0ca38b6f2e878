"""Picture files that hold several pictures: animated WebP and PNG, TIFF with pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import uniform_timestamps
from videoseg.video.picture_files import (
    Darkness,
    depth_of,
    open_picture,
    pages_of,
    reading,
    to_rgb,
    upright_size,
)

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["AnimationReader", "holds_several"]

# How long a picture is shown that says "no time at all", as browsers do it.
_DEFAULT_SECONDS = 0.1


def holds_several(path: Path) -> bool:
    """Return whether a picture file holds more than one picture that is meant to be seen.

    Raises:
        VideoError: If it cannot be read.
    """
    with reading(path, frame=0), open_picture(path) as image:
        return len(pages_of(image)) > 1


class AnimationReader:
    """Reads the pictures of one file as the frames of a video.

    Those of an animation are shown as long as the file says, and each is what a viewer sees:
    the parts that changed, drawn over what was there. The pages of a TIFF file have no times;
    previews and masks among them are no frames.

    Args:
        path: The file.
        fps: Frames per second where the file does not say how long a picture is shown.

    Raises:
        VideoError: If it cannot be read, or its pictures differ in size.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        self._path = path
        self._darkness = Darkness()
        with reading(path, frame=0), open_picture(path) as image:
            self._pages = pages_of(image)
        self._size: Size = (0, 0)
        seconds = []
        for index, image in self._opened(0, len(self._pages)):
            depth_of(image, name=show_path(path))
            size = upright_size(image)
            if index == 0:
                self._size = size
            elif size != self._size:
                raise VideoError(
                    f"picture {index} of {show_path(path)} is {size[1]}x{size[0]} pixels but "
                    f"those before it are {self._size[1]}x{self._size[0]}; save pictures of one "
                    "size, or the one you mean as a file of its own",
                    path=str(path),
                    frame=index,
                    reader="images",
                )
            seconds.append(_seconds_shown(image))
        self._timestamps = _times(seconds, fps)

    @property
    def size(self) -> Size:
        """(height, width) of the frames."""
        return self._size

    @property
    def timestamps(self) -> FloatArray:
        """Times of the frames in seconds, shape (T,)."""
        return self._timestamps

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the pictures, as far as they have been read."""
        return self._darkness.warnings

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3); an animation is decoded up to it.

        Raises:
            VideoError: If it cannot be decoded.
        """
        return next(self.iter_frames(index, index + 1))

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order, opening the file once."""
        for index, image in self._opened(start, stop):
            with reading(self._path, frame=index):
                frame, brightest = to_rgb(image, name=show_path(self._path))
            self._darkness.note(self._path.name, brightest)
            yield frame

    def close(self) -> None:
        """Do nothing: the file does not stay open."""

    def _opened(self, start: int, stop: int) -> Iterator[tuple[int, Image.Image]]:
        """Yield the open file at each of its pictures in turn."""
        with reading(self._path, frame=start):
            image = open_picture(self._path)
        with image:
            for index in range(start, stop):
                with reading(self._path, frame=index):
                    image.seek(self._pages[index])
                yield index, image


def _seconds_shown(image: Image.Image) -> float | None:
    """Return how long the present picture of an open file is shown; None if it does not say."""
    if image.format == "TIFF":
        return None
    if image.format in ("WEBP", "AVIF"):
        # Only decoding it tells.
        image.load()
    milliseconds = image.info.get("duration")
    return None if milliseconds is None else float(milliseconds) / 1000 or _DEFAULT_SECONDS


def _times(seconds: list[float | None], fps: float) -> FloatArray:
    if any(value is None for value in seconds):
        return uniform_timestamps(len(seconds), fps)
    shown = np.array([0.0, *seconds[:-1]], dtype=np.float64)
    times: FloatArray = np.cumsum(shown)
    times.flags.writeable = False
    return times
