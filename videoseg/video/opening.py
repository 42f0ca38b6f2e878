"""Choosing how to read what a user names or holds.

Video files are read with PyAV unless another reader is asked for. PyAV is maintained, comes
with a current FFmpeg on every platform, and finds every frame wherever it lies. decord does
neither everywhere: see ``videoseg.video.decord`` for where it is exact. Both give the same
frames, bit by bit, so the choice changes nothing but time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from videoseg.errors import ConfigError, VideoError
from videoseg.files import expand_path
from videoseg.stages import VideoReader
from videoseg.text import shorten, well_formed
from videoseg.types.scalars import real_number
from videoseg.video.animations import AnimationReader, holds_several
from videoseg.video.arrays import ArrayReader
from videoseg.video.container import require_file
from videoseg.video.core import ReaderFactory, VideoCore
from videoseg.video.frame_names import doubts_of_list, frames_of_folder
from videoseg.video.images import IMAGE_SUFFIXES, ImageReader
from videoseg.video.iterators import LiveReader, SpoolReader

__all__ = ["DEFAULT_FPS", "frames_core", "iterator_core", "path_core"]

DEFAULT_FPS = 24.0
"""Frames per second of pictures that come without a time."""


def path_core(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    reader: str,
    cache_bytes: int,
    fps: float | None,
) -> VideoCore:
    """Open a video file, a folder of pictures, a picture or a list of them; see ``Video.open``."""
    fps = _checked_fps(fps)
    factory: ReaderFactory
    if not isinstance(path, (str, os.PathLike)):
        locations = _listed(path)
        factory = partial(
            ImageReader, locations, fps=fps or DEFAULT_FPS, warnings=doubts_of_list(locations)
        )
        folders = {location.parent for location in locations}
        return VideoCore(
            well_formed(folders.pop().name if len(folders) == 1 else "pictures"),
            None,
            reader_name="images",
            factory=factory,
            reader=factory(),
            cache_bytes=cache_bytes,
            fps=fps,
        )
    location = expand_path(path)
    name, factory = _choose_reader(_located(path), reader=reader, fps=fps or DEFAULT_FPS)
    return VideoCore(
        # A folder may be given as the one that one is in.
        well_formed(
            os.path.basename(os.path.abspath(location))  # noqa: PTH100, PTH119
            if _is_folder(location)
            else location.stem
        ),
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
    fps = _checked_fps(fps)
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
    fps = _checked_fps(fps)
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
    if _is_folder(path):
        paths, warnings = frames_of_folder(path)
        return "images", partial(ImageReader, paths, fps=fps, warnings=warnings)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        require_file(path, reader="images")
        if holds_several(path):
            return "images", partial(AnimationReader, path, fps=fps)
        return "images", partial(ImageReader, [path], fps=fps)
    return _file_reader(path, reader=reader)


def _listed(paths: object) -> list[Path]:
    """Return the files of a list of paths."""
    if isinstance(paths, Set):
        raise VideoError(
            f"a set of paths ({shorten(paths)}) has no order in which they could be frames; give "
            "a list, such as sorted(paths)"
        )
    if isinstance(paths, Iterable) and not isinstance(paths, (bytes, bytearray)):
        listed = list(paths)
        if all(isinstance(path, (str, os.PathLike)) for path in listed):
            return [_located(path) for path in listed]
    raise VideoError(
        f"{shorten(paths)} is no path and no list of paths; for pictures in memory use "
        "Video.from_frames, for those that arrive one by one Video.from_iterator"
    )


def _located(path: str | os.PathLike[str]) -> Path:
    """Return what stays valid when the working folder changes; what is missing, as given."""
    if not os.fspath(path):
        raise VideoError("the path of a video must not be empty", path="")
    location = expand_path(path)
    return location.absolute() if os.path.lexists(location) else location


def _is_folder(path: Path) -> bool:
    # Unlike Path.is_dir this answers for names that are too long and folders behind a lock.
    return os.path.isdir(path)  # noqa: PTH112


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


def _checked_fps(fps: float | None) -> float | None:
    if fps is None:
        return None
    number = real_number(fps, "fps")
    if number <= 0:
        raise ConfigError(f"fps must be a positive number, got {shorten(fps)}")
    return number
