"""Choosing the reader for a path."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from videoseg.errors import VideoError
from videoseg.stages import VideoReader
from videoseg.video.container import require_file
from videoseg.video.images import IMAGE_SUFFIXES, ImageReader, images_in

__all__ = ["open_reader"]


def open_reader(path: Path, *, reader: str, fps: float) -> tuple[str, Callable[[], VideoReader]]:
    """Return the name of the reader for a path and a function that opens it.

    The function can be sent to another process and called there.

    Args:
        path: A video file, a folder of pictures, or a picture.
        reader: ``auto`` or the name of a reader for video files.
        fps: Frames per second of pictures.

    Raises:
        VideoError: If there is nothing to read at the path.
        ComponentNotFoundError: If there is no reader of this name.
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


def _file_reader(path: Path, *, reader: str) -> tuple[str, Callable[[], VideoReader]]:
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
