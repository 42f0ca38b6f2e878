"""The reader for each kind of path, and the reader of another library's video.

Video files are read with PyAV unless another reader is asked for. PyAV is maintained, comes
with a current FFmpeg on every platform, and finds every frame exactly. ``videoseg.video.decord``
describes where decord does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path

from videoseg.errors import ConfigError, VideoError
from videoseg.files import expand_path
from videoseg.stages import VideoReader
from videoseg.text import shorten, well_formed
from videoseg.types import FloatArray, Frame, VideoSource
from videoseg.types.scalars import real_number
from videoseg.video.arrays import DEFAULT_FPS
from videoseg.video.container import require_file
from videoseg.video.frame_files import IMAGE_SUFFIXES, frames_of_folder, list_warnings
from videoseg.video.frame_store import FrameStore, ReaderFactory
from videoseg.video.images import AnimationReader, ImageReader, holds_several

__all__ = ["SourceReader", "checked_fps", "open_path"]


def open_path(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    reader: str,
    cache_bytes: int,
    fps: float | None,
) -> FrameStore:
    """Open a video file, a folder of pictures, a picture or a list of them; see ``Video.open``."""
    fps = checked_fps(fps)
    rate = fps or DEFAULT_FPS
    location: Path | None = None
    factory: ReaderFactory
    if isinstance(path, (str, os.PathLike)):
        # As a result records it: it is opened again from any folder.
        location = _locate(path)
        # The name of a folder given as "." is that of the current folder.
        folder_name = os.path.basename(os.path.abspath(location))  # noqa: PTH100, PTH119
        name = folder_name if _is_folder(location) else location.stem
        reader, factory = _choose_reader(location, reader=reader, fps=rate)
    else:
        paths = _locate_all(path)
        folders = {file.parent for file in paths}
        name = folders.pop().name if len(folders) == 1 else "pictures"
        reader = "images"
        factory = partial(ImageReader, paths, fps=rate, warnings=list_warnings(paths))
    return FrameStore(
        well_formed(name),
        None if location is None else str(location),
        reader_name=reader,
        factory=factory,
        cache_bytes=cache_bytes,
        fps=fps,
    )


def checked_fps(fps: float | None) -> float | None:
    """Return frames per second as a number; None stays None.

    Raises:
        ConfigError: If it is not a positive number.
    """
    if fps is None:
        return None
    number = real_number(fps, "fps")
    if number <= 0:
        raise ConfigError(f"fps must be a positive number, got {shorten(fps)}")
    return number


class SourceReader:
    """Reads any ``VideoSource``, which caches frames itself if it wants to."""

    in_memory = True

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.size = source.size
        self.fps = source.fps

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every frame in seconds from the first, shape (T,)."""
        return self._source.timestamps

    def read(self, index: int) -> Frame:
        """Return one frame."""
        return self._source[index]

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order."""
        for _, frame in self._source.iter_frames(start, stop):
            yield frame

    def iter_backward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from stop - 1 down to start."""
        for _, frame in self._source.iter_frames(start, stop, reverse=True):
            yield frame

    def close(self) -> None:
        """Do nothing: the source belongs to the caller."""


def _choose_reader(path: Path, *, reader: str, fps: float) -> tuple[str, ReaderFactory]:
    """Return the name of the reader for a path and a picklable function that opens it."""
    if _is_folder(path):
        paths, warnings = frames_of_folder(path)
        return "images", partial(ImageReader, paths, fps=fps, warnings=warnings)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        require_file(path, reader="images")
        if holds_several(path):
            return "images", partial(AnimationReader, path, fps=fps)
        return "images", partial(ImageReader, [path], fps=fps)
    if reader in ("auto", "pyav"):
        from videoseg.video.pyav import PyavReader

        return "pyav", partial(PyavReader, path)
    if reader == "decord":
        from videoseg.video.decord import DecordReader

        return "decord", partial(DecordReader, path)
    # The registry loads plug-ins, which the two readers above do not need.
    return reader, partial(_build_reader, reader, path)


def _build_reader(name: str, path: Path) -> VideoReader:
    from videoseg.plugins import default_registry

    built: VideoReader = default_registry().build("reader", name, {"path": path})
    return built


def _locate_all(paths: object) -> list[Path]:
    if isinstance(paths, Set):
        raise VideoError(
            f"a set of paths ({shorten(paths)}) has no order in which they could be frames; give "
            "a list, such as sorted(paths)"
        )
    if isinstance(paths, Iterable) and not isinstance(paths, (bytes, bytearray)):
        listed = list(paths)
        if all(isinstance(path, (str, os.PathLike)) for path in listed):
            return [_locate(path) for path in listed]
    raise VideoError(
        f"{shorten(paths)} is not a path or a list of paths; for pictures in memory use "
        "Video.from_frames, for pictures that arrive one by one Video.from_iterator"
    )


def _locate(path: str | os.PathLike[str]) -> Path:
    """Return a path that stays valid when the working folder changes; a missing one as given."""
    if not os.fspath(path):
        raise VideoError("the path of a video must not be empty", path="")
    location = expand_path(path)
    return location.absolute() if os.path.lexists(location) else location


def _is_folder(path: Path) -> bool:
    # Unlike Path.is_dir this answers for names that are too long and folders behind a lock.
    return os.path.isdir(path)  # noqa: PTH112
