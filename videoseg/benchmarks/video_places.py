"""Where the videos that a file of expressions lists are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from videoseg.benchmarks.expressions import ExpressionVideo
from videoseg.benchmarks.names import linked_folder, unpacked_folder
from videoseg.benchmarks.pictures import picture_files, picture_size
from videoseg.benchmarks.problems import EntryProblems, ProblemList, Problems
from videoseg.benchmarks.split import SplitVideo, UncheckedVideo, VideoPlace
from videoseg.types import Size

__all__ = ["annotated_videos", "locate_videos", "only_located"]


def locate_videos(
    videos: Sequence[ExpressionVideo],
    pictures: Path,
    problems: Problems,
    *,
    check_pictures: bool = True,
    size_of: Callable[[ExpressionVideo], Size | None] = lambda _video: None,
    masks_of: Callable[[ExpressionVideo], Iterable[Path]] = lambda _video: (),
) -> dict[str, VideoPlace]:
    """Find the frames of every video; videos that something is wrong with are left out.

    The size is that of the first frame's header; the file's own size must agree with it.

    Args:
        videos: What the file lists.
        pictures: The folder with one folder of frames for each video.
        problems: Where what is wrong is noted.
        check_pictures: Whether the frames must be there.
        size_of: What else says how large the frames of a video are, if they need not be there.
        masks_of: The folders of pictures of that size, if nothing says it.
    """
    pictures = linked_folder(pictures)
    pictures = unpacked_folder(pictures, (video.video_id for video in videos))
    places: dict[str, VideoPlace] = {}
    if check_pictures and not pictures.is_dir():
        _missing_folder(pictures, problems)
        return places
    for video in videos:
        folder = pictures / video.video_id
        odd = problems.entry(len(video.expressions))
        place: VideoPlace | None
        if check_pictures:
            place = _checked(folder, video, odd)
        else:
            size = video.size or size_of(video)
            place = UncheckedVideo(folder, video.frames, size, tuple(masks_of(video)))
        if place is not None:
            places[video.video_id] = place
    return places


def only_located(
    videos: Iterable[ExpressionVideo], places: Mapping[str, VideoPlace]
) -> list[ExpressionVideo]:
    """Return the videos that have a place."""
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
            problems.leave_out(folder, "is no folder", fix=fix, num_samples=len(video.expressions))
    return found


def _missing_folder(pictures: Path, problems: Problems) -> None:
    """Note that the folder of all frames is missing."""
    archive = pictures.with_name(f"{pictures.name}.tar")
    fix = "download the frames, or give the right root"
    if archive.is_file():
        fix = f"unpack {archive.name}, which lies beside it"
    problems.add(pictures, "is no folder", fix=fix)


def _checked(folder: Path, video: ExpressionVideo, odd: EntryProblems) -> SplitVideo | None:
    files = picture_files(folder, video.frames, odd)
    size = files and _checked_size(folder / files[0], video.size, odd)
    return SplitVideo(folder, files, video.frames, size) if files and size else None


def _checked_size(picture: Path, expected: Size | None, odd: ProblemList) -> Size | None:
    size = picture_size(picture, odd)
    if size is None or expected is None or size == expected:
        return size
    odd.add(
        picture,
        f"is {size[0]}x{size[1]} but the benchmark says {expected[0]}x{expected[1]}",
        fix="use the frames of the benchmark, not resized",
    )
    return None
