"""Folders of numbered pictures, and lists of them, as videos."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import uniform_timestamps
from videoseg.video.picture_files import (
    Darkness,
    depth_of,
    open_picture,
    reading,
    seek_first,
    to_rgb,
    upright_size,
)

__all__ = ["IMAGE_SUFFIXES", "ImageReader", "images_in", "natural_order"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``frame2`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
        for part in parts
        if part
    )


def images_in(folder: Path) -> list[Path]:
    """Return the pictures directly inside a folder in natural order, without hidden files.

    What only bears a picture's name (a link to nothing, a pipe) is among them: leaving it out
    would move every frame behind it by one. ``ImageReader`` refuses it.

    Raises:
        OSError: If the folder cannot be listed.
    """
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
            and not os.path.isdir(entry.path)  # noqa: PTH112 -- a loop of links is no folder
        ]
    return [folder / name for name in sorted(names, key=lambda name: (natural_order(name), name))]


class ImageReader:
    """Reads pictures as the frames of a video.

    Grey, palette, 16-bit and transparent pictures become RGB (alpha is ignored, 16 bits keep
    their upper eight), and the orientation a camera wrote into EXIF is applied. The header
    of every picture is read when the video is opened, so that a picture of another size or
    with values of unknown range is found before any work starts.

    Args:
        paths: The pictures in the order of the frames.
        fps: Frames per second.
        warnings: What is known to be doubtful about them, one sentence each.

    Raises:
        VideoError: If there is no picture, one cannot be read, or sizes differ.
    """

    # Reading one picture does not mean decoding those before it.
    random_access = True

    def __init__(
        self, paths: Sequence[str | Path], *, fps: float, warnings: Sequence[str] = ()
    ) -> None:
        self._paths = [Path(path) for path in paths]
        if not self._paths:
            raise VideoError("a video needs at least one picture, got none")
        self._warnings = tuple(warnings)
        self._darkness = Darkness()
        self._num_in_file: dict[Path, int] = {}
        self._size = self._check_header(0)
        for index in range(1, len(self._paths)):
            size = self._check_header(index)
            if size != self._size:
                raise VideoError(
                    f"{show_path(self._paths[index])} is {size[1]}x{size[0]} pixels but the "
                    f"frames before it are {self._size[1]}x{self._size[0]}; resize or remove it",
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

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the pictures, as far as they have been read."""
        several = next(iter(self._num_in_file.items()), None)
        if several is None:
            return self._warnings + self._darkness.warnings
        path, count = several
        return (
            *self._warnings,
            f"{path.name} holds {count} pictures and only the first is a frame here; to read all "
            "of one file, open that file by itself",
            *self._darkness.warnings,
        )

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If the picture cannot be decoded or has changed size since.
        """
        path = self._paths[index]
        with reading(path, frame=index), open_picture(path) as image:
            seek_first(image)
            frame, brightest = to_rgb(image, name=show_path(path))
        self._darkness.note(path.name, brightest)
        if frame.shape[:2] != self._size:
            raise VideoError(
                f"{show_path(path)} was {self._size[1]}x{self._size[0]} pixels when the video "
                f"was opened and is {frame.shape[1]}x{frame.shape[0]} now; open the video again",
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

    def _check_header(self, index: int) -> Size:
        path = self._paths[index]
        with reading(path, frame=index), open_picture(path) as image:
            if (count := seek_first(image)) > 1:
                self._num_in_file[path] = count
            depth_of(image, name=show_path(path))
            return upright_size(image)
