"""Choosing how to read what a user names or holds.

Video files are read with PyAV unless another reader is asked for. PyAV is maintained, comes
with a current FFmpeg on every platform, and finds every frame wherever it lies. decord does
neither everywhere: see ``videoseg.video.decord`` for where it is exact. Both give the same
frames, bit by bit, so the choice changes nothing but time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from videoseg.errors import ConfigError, VideoError
from videoseg.stages import VideoReader
from videoseg.video.arrays import ArrayReader
from videoseg.video.container import require_file
from videoseg.video.core import ReaderFactory, VideoCore
from videoseg.video.images import IMAGE_SUFFIXES, ImageReader, images_in
from videoseg.video.iterators import LiveReader, SpoolReader

__all__ = ["DEFAULT_FPS", "frames_core", "iterator_core", "path_core"]

DEFAULT_FPS = 24.0
"""Frames per second of pictures that come without a time."""


def path_core(path: str | Path, *, reader: str, cache_bytes: int, fps: float | None) -> VideoCore:
    """Open a video file, a folder of pictures or one picture; see ``Video.open``."""
    _check_fps(fps)
    location = Path(path).expanduser()
    name, factory = _choose_reader(
        # What stays valid when the working folder changes; what is missing, as it was given.
        location.absolute() if location.exists() else location,
        reader=reader,
        fps=fps or DEFAULT_FPS,
    )
    return VideoCore(
        location.name if location.is_dir() else location.stem,
        str(location),
        reader_name=name,
        factory=factory,
        reader=factory(),
        cache_bytes=cache_bytes,
        fps=fps,
    )


def frames_core(
    frames: npt.NDArray[Any] | Sequence[Any], *, fps: float | None, name: str
) -> VideoCore:
    """Take pictures in memory; see ``Video.from_frames``."""
    _check_fps(fps)
    rate = fps or DEFAULT_FPS
    return VideoCore(
        name,
        None,
        reader_name="frames",
        factory=None,
        reader=ArrayReader(frames, fps=rate),
        cache_bytes=0,
        fps=rate,
    )


def iterator_core(
    frames: Iterable[Any],
    *,
    fps: float | None,
    name: str,
    live: bool,
    live_buffer: int,
    cache_bytes: int,
) -> VideoCore:
    """Take pictures that arrive one after another; see ``Video.from_iterator``."""
    _check_fps(fps)
    rate = fps or DEFAULT_FPS
    reader: LiveReader | SpoolReader
    if live:
        reader = LiveReader(frames, fps=rate, memory_bytes=cache_bytes, min_frames=live_buffer)
    else:
        reader = SpoolReader(frames, fps=rate, memory_bytes=cache_bytes)
    return VideoCore(
        name,
        None,
        reader_name="live" if live else "iterator",
        factory=None,
        reader=reader,
        cache_bytes=0,
        fps=rate,
    )


def _choose_reader(path: Path, *, reader: str, fps: float) -> tuple[str, ReaderFactory]:
    """Return the name of the reader for a path and a function that opens it.

    The function can be sent to another process and called there.
    """
    if path.is_dir():
        paths = images_in(path)
        if not paths:
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise VideoError(
                f"the folder {path} has no pictures ({suffixes}); give a folder whose pictures "
                "lie directly in it, or a video file",
                path=str(path),
                reader="images",
            )
        return "images", partial(ImageReader, paths, fps=fps)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        require_file(path, reader="images")
        return "images", partial(ImageReader, [path], fps=fps)
    return _file_reader(path, reader=reader)


def _file_reader(path: Path, *, reader: str) -> tuple[str, ReaderFactory]:
    if reader in ("auto", "pyav"):
        from videoseg.video.pyav import PyavReader

        return "pyav", partial(PyavReader, path)
    if reader == "decord":
        from videoseg.video.decord import DecordReader

        return "decord", partial(DecordReader, path)
    # The registry looks for plug-ins, which a video file read the usual way has no need of.
    return reader, partial(_registered_reader, reader, path)


def _registered_reader(name: str, path: Path) -> VideoReader:
    from videoseg.plugins import default_registry

    built: VideoReader = default_registry().build("reader", name, {"path": path})
    return built


def _check_fps(fps: float | None) -> None:
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise ConfigError(f"fps must be a positive number, got {fps}")
