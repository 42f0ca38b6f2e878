"""Decoding video files with decord, where it gives the frames that PyAV gives.

decord is fast at reading one frame after another, but it is no longer maintained and its
FFmpeg is old. Measured against frames counted out one by one it is exact for the common
case, 8-bit 4:2:0 pictures of even size whose groups of frames stand on their own; elsewhere
it gives other colors (odd sizes, 10 bits, MPEG-4 part 2), other frames after a jump (groups
that depend on the one before, gradual refresh, times missing from the file), or hangs (damage).

That is why ``Video.open`` decodes with PyAV unless asked otherwise, and why this reader
examines a file with PyAV first: where decord cannot be relied on, PyAV decodes in its place
and ``warnings`` says why. The frames are the same either way. decord comes with
``pip install "videoseg[decord]"``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.errors import MissingDependencyError, VideoError
from videoseg.text import show_path
from videoseg.types import Frame
from videoseg.video.pyav import DecoderPool, PyavReader

__all__ = ["DecordReader"]

# Codecs whose standards fix every bit of the picture. MPEG-4 part 2 and JPEG leave the rounding
# of their transform open, and FFmpeg has changed it over time.
_EXACT_CODECS = frozenset({"h264", "hevc", "vp8", "vp9"})

_PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p"})

# Decoders kept open while unused; each has threads and buffers of its own.
_MAX_IDLE_DECODERS = 2


class DecordReader(PyavReader):
    """Reads a video file with decord where that is exact, and with PyAV where it is not.

    Going backwards is always done with PyAV, which can hold pictures before their conversion,
    in half the memory.

    Args:
        path: The file.

    Attributes:
        name: The name of the reader that decodes: ``decord``, or ``pyav`` in its place.

    Raises:
        MissingDependencyError: If decord or PyAV is not installed.
        VideoError: If the file is missing, empty, no video, or nothing in it can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        decord = _import_decord()
        super().__init__(path)
        self._decoders = DecoderPool(
            self._path,
            functools.partial(_Decoder, decord, self._path),
            max_idle=_MAX_IDLE_DECODERS,
            reader="decord",
        )
        self._obstacle = self._first_obstacle()
        self.name = "pyav" if self._obstacle else "decord"
        if self._obstacle:
            self._decoders.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the file, and why decord does not decode it."""
        if not self._obstacle:
            return super().warnings
        return (
            *super().warnings,
            f"{self._path.name} is decoded with PyAV instead of decord: {self._obstacle}",
        )

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If it cannot be decoded or the reader is closed.
        """
        if self._obstacle:
            return super().read(index)
        return next(self.iter_frames(index, index + 1))

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order, decoding each once."""
        if self._obstacle:
            yield from super().iter_frames(start, stop)
            return
        index = start
        try:
            with self._decoders.borrow(start) as decoder:
                for index in range(start, stop):
                    yield decoder.read(index)
        except _DecordError as error:
            raise VideoError(
                f"decord cannot decode frame {index} of {show_path(self._path)} ({error}); "
                "open it with reader='pyav'",
                path=str(self._path),
                frame=index,
                reader="decord",
            ) from error

    def close(self) -> None:
        """Release the decoders."""
        self._decoders.close()
        super().close()

    def _first_obstacle(self) -> str:
        """Return why decord cannot be relied on for this file; empty where it can."""
        index = self.index
        height, width = self.size
        if index.num_streams > 1:
            return "it has several video streams"
        if index.format.orientation.is_mirror_image:
            return "its pictures are shown mirrored"
        if index.is_edited:
            return "an edit list leaves frames out"
        if index.warnings:
            return "there are doubts about the file"
        if not index.can_seek:
            return "frames have no time of their own"
        if index.codec not in _EXACT_CODECS:
            return f"decoders of {index.codec} differ in their rounding"
        if index.format.pixel_format not in _PIXEL_FORMATS:
            return f"its pictures are {index.format.pixel_format}, not 8-bit 4:2:0"
        if height % 2 or width % 2:
            return f"a side of {width}x{height} is odd"
        if not all(point.is_fresh_start for point in index.seek_points):
            return "groups of frames depend on the ones before them"
        try:
            return self._first_difference()
        except _DecordError as error:
            return f"decord fails ({error})"

    def _first_difference(self) -> str:
        num_frames = self.index.num_frames
        last_group = self.index.group_start(num_frames - 1)
        with self._decoders.borrow(0) as decoder:
            if decoder.num_frames != num_frames:
                return f"decord finds {decoder.num_frames} frames where there are {num_frames}"
            for position in sorted({0, min(2, num_frames - 1), last_group}):
                if not np.array_equal(decoder.read(position), super().read(position)):
                    return f"decord gives another picture for frame {position}"
        return ""


def _import_decord() -> Any:
    search_path = os.environ.get("PATH")
    try:
        import decord
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            "the reader 'decord' needs decord, which is not installed or does not load "
            f'here ({error}); run: python -m pip install "videoseg[decord]", or use '
            "reader='pyav', which gives the same frames"
        ) from error
    finally:
        # Importing decord appends its folder to the search path of every program started later.
        if search_path is not None:
            os.environ["PATH"] = search_path
    return decord


class _DecordError(Exception):
    """An error of decord, with the first line of its message."""

    def __init__(self, error: Exception) -> None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # The line begins with a time and a place in decord's source, of no use to a user.
        super().__init__(lines[0].rpartition(": ")[2] if lines else type(error).__name__)


class _Decoder:
    """One decord reader at one place in the file."""

    def __init__(self, decord: Any, path: Path) -> None:
        self._error: type[Exception] = decord.DECORDError
        try:
            self._reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        except (self._error, RuntimeError, UnicodeEncodeError) as error:
            # decord takes names as UTF-8 only.
            raise _DecordError(error) from error
        self.next_index = 0

    def can_play_on_to(self, _index: int) -> bool:
        return True

    def close(self) -> None:
        self._reader = None

    @property
    def num_frames(self) -> int:
        return len(self._reader)

    def read(self, index: int) -> Frame:
        try:
            picture = self._reader[index]
        except (self._error, RuntimeError, IndexError) as error:
            raise _DecordError(error) from error
        self.next_index = index + 1
        # The type depends on the bridge, which may be set for the whole process.
        frame: Frame = np.asarray(
            picture.asnumpy() if hasattr(picture, "asnumpy") else picture, dtype=np.uint8
        )
        return frame
