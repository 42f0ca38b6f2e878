"""Locate the videos of a benchmark whose frames are pictures, one folder for each video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from videoseg.benchmarks import (
    ExpressionVideo,
    FirstProblem,
    ProblemList,
    Problems,
    SplitVideo,
    VideoPlace,
    list_pictures,
    read_picture_size,
    sort_frame_names,
)
from videoseg.errors import VideoError
from videoseg.types import Size
from videoseg.video import DEFAULT_FPS

__all__ = [
    "UncheckedVideo",
    "annotated_videos",
    "find_pictures",
    "locate_videos",
    "located_videos",
    "matching_size",
    "unpacked_folder",
]

_MAX_LINK_BYTES = 4096


def find_pictures(folder: Path) -> dict[str, str]:
    """Return ``list_pictures``; empty if the folder cannot be listed."""
    try:
        return list_pictures(folder)
    except OSError:
        return {}


def matching_size(
    path: Path, expected: Size | None, problems: ProblemList, *, source: str, originals: str
) -> Size | None:
    """Return ``read_picture_size``; None, with a problem noted, if it is not the expected one.

    Args:
        path: The picture.
        expected: (height, width); None for any.
        problems: Where problems are noted.
        source: Where the expected size is from.
        originals: The pictures of the expected size.
    """
    size = read_picture_size(path, problems)
    if size is None or expected is None or size == expected:
        return size
    problems.add(
        path,
        f"is {size[0]}x{size[1]} but {source} says {expected[0]}x{expected[1]}",
        fix=f"use the {originals}, not resized",
    )
    return None


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
        names = self.names or sort_frame_names(found)
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
            size = read_picture_size(self.folder / first, problem)
        for folder in self.masks if size is None else ():
            pictures = find_pictures(folder)
            if pictures and (size := read_picture_size(folder / min(pictures.values()), problem)):
                break
        if size is None:
            said = f" ({problem.text})" if problem.text else ""
            raise VideoError(
                f"nothing says how large the frames of {self.folder} are{said}; give the folder "
                "of frames, too"
            )
        return SplitVideo(self.folder, files, names, size, self.fps)


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
    pictures = _linked_folder(pictures)
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


def _locate(folder: Path, video: ExpressionVideo, odd: ProblemList) -> SplitVideo | None:
    again = "download the frames of this video again"
    try:
        found = list_pictures(folder)
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


def _linked_folder(path: Path) -> Path:
    """Return a folder, or the folder that a text file in its place points to.

    Where symbolic links are not supported, Git writes a link as a small text file with the
    relative path. Such a file is followed if it leads to an existing folder; absolute paths are
    not followed. Only pictures are read there, and their names are checked as usual.
    """
    try:
        if not path.is_file() or path.stat().st_size > _MAX_LINK_BYTES:
            return path
        target = Path(path.read_text(encoding="utf-8").strip())
        if target.is_absolute() or not target.parts:
            return path
        folder = path.parent / target
        return folder.resolve() if folder.is_dir() else path
    except (OSError, ValueError, RuntimeError):
        return path


def unpacked_folder(path: Path, names: Iterable[str]) -> Path:
    """Return a folder, or the folder of the same name inside it if the names are only there.

    This is the result of unpacking an archive with a top folder into a folder of that name.

    Args:
        path: The folder.
        names: The names to look for.
    """
    inner = path / path.name
    if inner.is_dir() and not any((path / name).exists() for name in names):
        return inner
    return path
