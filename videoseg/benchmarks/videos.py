"""Locate the videos of a benchmark and measure their pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from videoseg.benchmarks.expressions import ExpressionVideo
from videoseg.benchmarks.untrusted import (
    EntryProblems,
    FirstProblem,
    ProblemList,
    Problems,
    linked_folder,
    unpacked_folder,
)
from videoseg.errors import VideoError
from videoseg.files import check_regular_file
from videoseg.types import Size
from videoseg.video import IMAGE_SUFFIXES, Video, natural_order
from videoseg.video.frame_store import FrameStore
from videoseg.video.images import ImageReader
from videoseg.video.video import DEFAULT_CACHE_BYTES, DEFAULT_FPS

__all__ = [
    "SplitVideo",
    "UncheckedVideo",
    "VideoPlace",
    "annotated_videos",
    "find_pictures",
    "locate_videos",
    "located_videos",
    "matching_size",
    "picture_size",
    "pictures_by_name",
    "sorted_names",
    "video_of_pictures",
]


def pictures_by_name(folder: Path) -> dict[str, str]:
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


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of frames in natural order."""
    return tuple(sorted(names, key=lambda each: (natural_order(each), each)))


def find_pictures(folder: Path) -> dict[str, str]:
    """Return ``pictures_by_name``; empty if the folder cannot be listed."""
    try:
        return pictures_by_name(folder)
    except OSError:
        return {}


def picture_size(path: Path, problems: ProblemList) -> Size | None:
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


def matching_size(
    path: Path, expected: Size | None, problems: ProblemList, *, source: str, originals: str
) -> Size | None:
    """Return ``picture_size``; None, with a problem noted, if it is not the expected one.

    Args:
        path: The picture.
        expected: (height, width); None for any.
        problems: Where problems are noted.
        source: Where the expected size is from.
        originals: The pictures of the expected size.
    """
    size = picture_size(path, problems)
    if size is None or expected is None or size == expected:
        return size
    problems.add(
        path,
        f"is {size[0]}x{size[1]} but {source} says {expected[0]}x{expected[1]}",
        fix=f"use the {originals}, not resized",
    )
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


@dataclass(frozen=True, slots=True)
class UncheckedVideo:
    """A video that has not been looked for, since the split is opened without pictures.

    Args:
        folder: The folder of its pictures, if they exist.
        names: The name of each frame, in order; empty: the pictures of the folder.
        size: (height, width), if the annotations have it.
        masks: Folders with pictures of the frames' size; the first that has one is used.
        fps: Frames per second.
    """

    folder: Path
    names: tuple[str, ...] = ()
    size: Size | None = None
    masks: tuple[Path, ...] = ()
    fps: float = DEFAULT_FPS

    def locate(self) -> SplitVideo:
        """Look for pictures of the frames, else of their masks; see ``VideoPlace``."""
        found = find_pictures(self.folder)
        names = self.names or sorted_names(found)
        if not names:
            raise VideoError(
                f"{self.folder} has no pictures and nothing else says which frames this video "
                "has; give the folder of frames, too"
            )
        # A missing picture is reported when its pixels are read.
        files = tuple(found.get(name, f"{name}.jpg") for name in names)
        first = found.get(names[0])
        problem = FirstProblem()
        size = self.size
        if size is None and first is not None:
            size = picture_size(self.folder / first, problem)
        for folder in self.masks if size is None else ():
            pictures = find_pictures(folder)
            if pictures and (size := picture_size(folder / min(pictures.values()), problem)):
                break
        if size is None:
            said = f" ({problem.text})" if problem.text else ""
            raise VideoError(
                f"nothing says how large the frames of {self.folder} are{said}; give the folder "
                "of frames, too"
            )
        return SplitVideo(self.folder, files, names, size, self.fps)


def video_of_pictures(
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
        found = pictures_by_name(folder)
    except OSError as error:
        reason = f"cannot be listed ({error.strerror or error})"
        problems.add(folder, reason, fix=fix)
        return None
    wanted = tuple(names) or sorted_names(found)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        reason = f"lacks the frame {missing[0]}" if missing else "has no pictures"
        problems.add(folder, reason, fix=fix)
        return None
    size = picture_size(folder / found[wanted[0]], problems)
    if size is None:
        return None
    files = tuple(found[name] for name in wanted)
    return SplitVideo(folder, files, wanted, size, fps=fps)


def locate_videos(
    videos: Sequence[ExpressionVideo],
    pictures: Path,
    problems: Problems,
    *,
    check_pictures: bool = True,
    size_of: Callable[[ExpressionVideo], Size | None] = lambda _video: None,
    masks_of: Callable[[ExpressionVideo], Iterable[Path]] = lambda _video: (),
) -> dict[str, VideoPlace]:
    """Find the frames of every video; videos with a problem are left out.

    The size is read from the header of the first frame; the size in the file must agree.

    Args:
        videos: The videos that the file lists.
        pictures: The folder with one folder of frames for each video.
        problems: Where problems are noted.
        check_pictures: Whether the frames must exist.
        size_of: The size of a video's frames, for videos whose frames need not exist.
        masks_of: Folders of pictures of the frames' size, where the size is not known.
    """
    pictures = linked_folder(pictures)
    pictures = unpacked_folder(pictures, (video.video_id for video in videos))
    places: dict[str, VideoPlace] = {}
    if check_pictures and not pictures.is_dir():
        archive = pictures.with_name(f"{pictures.name}.tar")
        fix = "download the frames, or give the right root"
        if archive.is_file():
            fix = f"unpack {archive.name}, which is beside it"
        problems.add(pictures, "is not a folder", fix=fix)
        return places
    for video in videos:
        folder = pictures / video.video_id
        odd = problems.entry(len(video.expressions))
        place: VideoPlace | None
        if check_pictures:
            place = _locate(folder, video, odd)
        else:
            size = video.size or size_of(video)
            place = UncheckedVideo(folder, video.frames, size, tuple(masks_of(video)))
        if place is not None:
            places[video.video_id] = place
    return places


def located_videos(
    videos: Iterable[ExpressionVideo], places: Mapping[str, VideoPlace]
) -> list[ExpressionVideo]:
    """Return the videos that have been located."""
    return [video for video in videos if video.video_id in places]


def annotated_videos(
    annotations: Path, videos: Iterable[ExpressionVideo], problems: Problems
) -> list[ExpressionVideo]:
    """Return the videos with a folder of annotations; the others are left out."""
    found = []
    for video in videos:
        folder = annotations / video.video_id
        if folder.is_dir():
            found.append(video)
        else:
            fix = "download the annotations again, or give the right root"
            problems.leave_out(
                folder, "is not a folder", fix=fix, num_samples=len(video.expressions)
            )
    return found


def _locate(folder: Path, video: ExpressionVideo, odd: EntryProblems) -> SplitVideo | None:
    again = "download the frames of this video again"
    try:
        found = pictures_by_name(folder)
    except OSError as error:
        reason = f"the folder of frames cannot be listed ({error.strerror or error})"
        odd.add(folder, reason, fix=f"{again}, or give the right --root")
        return None
    missing = [name for name in video.frames if name not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        reason = f"{len(missing)} of {len(video.frames)} frames have no picture ({shown})"
        odd.add(folder, reason, fix=again)
        return None
    files = tuple(found[name] for name in video.frames)
    size = matching_size(
        folder / files[0],
        video.size,
        odd,
        source="the benchmark",
        originals="frames of the benchmark",
    )
    return SplitVideo(folder, files, video.frames, size) if size else None
