"""The videos of a benchmark: pictures in a folder, or a video file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from videoseg.benchmarks.untrusted import ProblemList
from videoseg.errors import VideoError
from videoseg.files import check_regular_file
from videoseg.types import Size
from videoseg.video import IMAGE_SUFFIXES, Video, natural_order
from videoseg.video.frame_store import FrameStore
from videoseg.video.images import ImageReader
from videoseg.video.video import DEFAULT_CACHE_BYTES, DEFAULT_FPS

__all__ = [
    "SplitVideo",
    "VideoPlace",
    "list_pictures",
    "locate_video",
    "read_picture_size",
    "sort_frame_names",
]


def list_pictures(folder: Path) -> dict[str, str]:
    """Return the pictures directly inside a folder: name without suffix -> file name.

    Raises:
        OSError: If the folder cannot be listed (missing, no permission, a loop of links).
    """
    with os.scandir(folder) as entries:
        files = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    found: dict[str, str] = {}
    for file in files:
        stem, dot, suffix = file.rpartition(".")
        if dot + suffix.lower() in IMAGE_SUFFIXES:
            found.setdefault(stem, file)
    return found


def sort_frame_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of frames in natural order."""
    return tuple(sorted(names, key=lambda each: (natural_order(each), each)))


def read_picture_size(path: Path, problems: ProblemList) -> Size | None:
    """Return (height, width) of a picture from its header; None, with a problem noted, if unread.

    The size is that of the upright frame, as videos show it.
    """
    try:
        check_regular_file(path)
        return ImageReader([path], fps=1.0).size
    except OSError as error:
        problems.add(path, f"cannot be read ({error.strerror or error})", fix="download it again")
        return None
    except VideoError as error:
        problems.add(path, str(error), fix="download it again")
        return None


@dataclass(frozen=True, slots=True)
class SplitVideo:
    """One video of a split: the pictures that are its frames, or a video file.

    Args:
        folder: The folder of the pictures; the video file if there are none.
        files: The picture of each frame, in the benchmark's order; other files in the folder are
            ignored. Empty for a video file.
        names: The name of each frame in the benchmark, without suffix.
        size: (height, width).
        fps: Frames per second.
    """

    folder: Path
    files: tuple[str, ...]
    names: tuple[str, ...]
    size: Size
    fps: float = DEFAULT_FPS

    def locate(self) -> SplitVideo:
        """Return the video itself; see ``VideoPlace``."""
        return self

    def open(self, name: str) -> Video:
        """Open the video under a name.

        Raises:
            VideoError: If it is missing or cannot be read, or pictures differ in size.
        """
        if not self.files:
            return Video.open(self.folder)
        factory = partial(ImageReader, [self.folder / file for file in self.files], fps=self.fps)
        store = FrameStore(
            name,
            str(self.folder),
            reader_name="images",
            factory=factory,
            cache_bytes=DEFAULT_CACHE_BYTES,
            fps=self.fps,
        )
        return Video(store)


class VideoPlace(Protocol):
    """The location of a video of a split, which may not have been checked."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each frame; empty if unknown until ``locate``."""

    @property
    def size(self) -> Size | None:
        """(height, width); None if unknown until ``locate``."""

    def locate(self) -> SplitVideo:
        """Look for the video, and return it with its frames and their size.

        Raises:
            VideoError: If frames are missing, or their size is not known.
        """


def locate_video(
    folder: Path,
    problems: ProblemList,
    *,
    names: Sequence[str] = (),
    fps: float = DEFAULT_FPS,
    fix: str = "download the frames of this video again",
) -> SplitVideo | None:
    """Return the video whose frames are the pictures of a folder.

    Args:
        folder: The folder.
        problems: Where problems are noted.
        names: The frames, in order and without suffix; by default all pictures in natural
            order.
        fps: Frames per second.
        fix: What to do about a problem.

    Returns:
        The video; None, with a problem noted, if a frame is missing or cannot be read.
    """
    try:
        found = list_pictures(folder)
    except OSError as error:
        reason = f"cannot be listed ({error.strerror or error})"
        problems.add(folder, reason, fix=fix)
        return None
    wanted = tuple(names) or sort_frame_names(found)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        reason = f"lacks the frame {missing[0]}" if missing else "has no pictures"
        problems.add(folder, reason, fix=fix)
        return None
    size = read_picture_size(folder / found[wanted[0]], problems)
    if size is None:
        return None
    files = tuple(found[name] for name in wanted)
    return SplitVideo(folder, files, wanted, size, fps=fps)
