"""Readers of pictures as videos: one frame a file, or several frames in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videoseg.errors import VideoError
from videoseg.text import show_path
from videoseg.types import FloatArray, Frame, Size
from videoseg.video.arrays import uniform_timestamps
from videoseg.video.picture_files import (
    depth_of,
    open_picture,
    pages_of,
    report_errors,
    seek_first,
    to_rgb,
    upright_size,
)

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["AnimationReader", "ImageReader", "holds_several"]

# How long browsers show a picture of an animation whose duration is 0.
_DEFAULT_SECONDS = 0.1

# Pictures of 16 bits whose values all lie below this use 12 bits or fewer.
_DARK_BELOW = 4096


class _PictureReader:
    """The size of the frames, and whether 16-bit pictures only use their lowest bits."""

    def __init__(self) -> None:
        self.size: Size = (0, 0)
        self._darkness = (0, "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the pictures, as far as they have been read."""
        brightest, name = self._darkness
        if not 0 < brightest < _DARK_BELOW:
            return ()
        return (
            f"{name} is nearly black: its values reach {brightest} of 65535, and "
            "the upper eight bits are kept; scale the values to the whole range and save again",
        )

    def close(self) -> None:
        """Do nothing: no picture stays open."""

    def _check_header(self, image: Image.Image, path: Path, index: int) -> Size:
        """Return the size of an open picture; that of the first is the size of the frames."""
        depth_of(image, name=show_path(path))
        size = upright_size(image)
        if index == 0:
            self.size = size
        return size

    def _note(self, path: Path, brightest: int | None) -> None:
        """Record the largest value of a picture, 0..65535; None for one of eight bits."""
        if brightest is not None and brightest >= self._darkness[0]:
            self._darkness = (brightest, path.name)


class ImageReader(_PictureReader):
    """Reads pictures as the frames of a video.

    Gray, palette, 16-bit and transparent pictures become RGB (alpha is ignored, 16 bits keep
    their upper eight), and the orientation a camera wrote into EXIF is applied. The header
    of every picture is read when the video is opened, so that a picture of another size or
    with values of unknown range is found before any work starts.

    Args:
        paths: The pictures in the order of the frames.
        fps: Frames per second.
        warnings: What is already known to be doubtful about them, one sentence each.

    Attributes:
        size: (height, width) of the frames, EXIF orientation applied.
        timestamps: Times of the frames in seconds, shape (T,).

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
        super().__init__()
        self._warnings = tuple(warnings)
        self._num_in_file: dict[Path, int] = {}
        for index, path in enumerate(self._paths):
            with report_errors(path, frame=index), open_picture(path) as image:
                if (count := seek_first(image)) > 1:
                    self._num_in_file[path] = count
                size = self._check_header(image, path, index)
                if size != self.size:
                    raise VideoError(
                        f"{show_path(path)} is {size[1]}x{size[0]} pixels but the frames before "
                        f"it are {self.size[1]}x{self.size[0]}; resize or remove it"
                    )
        self.timestamps = uniform_timestamps(len(self._paths), fps)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the pictures, as far as they have been read."""
        several = tuple(
            f"{path.name} holds {count} pictures and only the first is a frame here; to read all "
            "of one file, open that file by itself"
            for path, count in [*self._num_in_file.items()][:1]
        )
        return self._warnings + several + super().warnings

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If the picture cannot be decoded or its size has changed.
        """
        path = self._paths[index]
        with report_errors(path, frame=index), open_picture(path) as image:
            seek_first(image)
            frame, brightest = to_rgb(image, name=show_path(path))
            if frame.shape[:2] != self.size:
                raise VideoError(
                    f"{show_path(path)} was {self.size[1]}x{self.size[0]} pixels when the video "
                    f"was opened and is {frame.shape[1]}x{frame.shape[0]} now; open it again"
                )
        self._note(path, brightest)
        return frame

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for index in range(start, stop):
            yield self.read(index)


def holds_several(path: Path) -> bool:
    """Return whether a picture file holds more than one picture that is meant to be seen.

    Raises:
        VideoError: If it cannot be read.
    """
    with report_errors(path, frame=0), open_picture(path) as image:
        return len(pages_of(image)) > 1


class AnimationReader(_PictureReader):
    """Reads the pictures of one file as the frames of a video.

    Those of an animation are shown as long as the file says, and each is what a viewer sees:
    the parts that changed, drawn over what was there. The pages of a TIFF file have no times;
    previews and masks among them are not frames.

    Args:
        path: The file.
        fps: Frames per second where the file does not say how long a picture is shown.

    Attributes:
        size: (height, width) of the frames.
        timestamps: Times of the frames in seconds, shape (T,).

    Raises:
        VideoError: If it cannot be read, or its pictures differ in size.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        super().__init__()
        self._path = path
        with report_errors(path, frame=0), open_picture(path) as image:
            self._pages = pages_of(image)
        seconds = []
        for index, image in self._seek_each(0, len(self._pages)):
            size = self._check_header(image, path, index)
            if size != self.size:
                raise VideoError(
                    f"picture {index} of {show_path(path)} is {size[1]}x{size[0]} pixels but "
                    f"those before it are {self.size[1]}x{self.size[0]}; save pictures of one "
                    "size, or the one you mean as a file of its own",
                    path=str(path),
                    frame=index,
                    reader="images",
                )
            seconds.append(_seconds_shown(image))
        self.timestamps = _start_times(seconds, fps)

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3); an animation is decoded up to it.

        Raises:
            VideoError: If it cannot be decoded.
        """
        return next(self.iter_frames(index, index + 1))

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order, opening the file once."""
        for index, image in self._seek_each(start, stop):
            with report_errors(self._path, frame=index):
                frame, brightest = to_rgb(image, name=show_path(self._path))
            self._note(self._path, brightest)
            yield frame

    def _seek_each(self, start: int, stop: int) -> Iterator[tuple[int, Image.Image]]:
        """Yield the open file at each of its pictures in turn."""
        with report_errors(self._path, frame=start):
            image = open_picture(self._path)
        with image:
            for index in range(start, stop):
                with report_errors(self._path, frame=index):
                    image.seek(self._pages[index])
                yield index, image


def _seconds_shown(image: Image.Image) -> float | None:
    """Return how long the current picture of an open file is shown; None if it does not say."""
    if image.format == "TIFF":
        return None
    if image.format in ("WEBP", "AVIF"):
        # The duration is only known once the picture is decoded.
        image.load()
    milliseconds = image.info.get("duration")
    return None if milliseconds is None else float(milliseconds) / 1000 or _DEFAULT_SECONDS


def _start_times(seconds: list[float | None], fps: float) -> FloatArray:
    if any(value is None for value in seconds):
        return uniform_timestamps(len(seconds), fps)
    times: FloatArray = np.cumsum(np.array([0.0, *seconds[:-1]], dtype=np.float64))
    times.flags.writeable = False
    return times
