"""What benchmarks with given first masks share: sequences, first masks, and their truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from videoseg.benchmarks import (
    ANNOTATIONS_AGAIN,
    IdPictureTruths,
    Problems,
    Sample,
    SplitVideo,
    Truth,
    VideoPlace,
    is_plain_name,
    locate_video,
    read_content,
    read_ids,
    sort_frame_names,
)
from videoseg.errors import EvaluationError
from videoseg.types import Prompt, Rle, Size
from videoseg.video import DEFAULT_FPS
from videoseg_benchmarks.videos import UncheckedVideo, find_pictures, unpacked_folder

__all__ = [
    "EXPRESSION",
    "GivenSplit",
    "GivenVideo",
    "IdTruths",
    "given_samples",
    "has_every_mask",
    "leave_out_unknown",
    "list_sequences",
    "listed_names",
    "locate_given",
    "locate_split",
    "with_first_masks",
]

EXPRESSION = "objects"
"""The id of the only sample of a video."""


@dataclass(frozen=True, slots=True)
class GivenVideo:
    """A video, and the objects whose first masks are given.

    Args:
        place: The video.
        names: The name of each frame.
        size: (height, width); None if the frames have not been looked at.
        prompts: The first mask of each object.
        has_frames: Whether there is a folder of frames. Without it the names are those of the
            masks, and of the frames that the benchmark lists.
    """

    place: VideoPlace
    names: tuple[str, ...]
    size: Size | None
    prompts: tuple[Prompt, ...] = ()
    has_frames: bool = True


@dataclass(frozen=True, slots=True)
class GivenSplit:
    """The folders of a split, and its videos that are there.

    Args:
        pictures: The folder with one folder of frames for each video.
        annotations: The folder with one folder of pictures of ids for each video.
        videos: Each video, without its prompts yet.
    """

    pictures: Path
    annotations: Path
    videos: Mapping[str, GivenVideo]


def listed_names(path: Path, problems: Problems) -> list[str]:
    """Return the names in a list of videos, one in each line; none, with a problem, if unread."""
    content = read_content(path, problems)
    lines = [] if content is None else content.decode("utf-8-sig", "replace").splitlines()
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if content is not None and not names:
        problems.add(path, "names no videos", fix="download it again")
    return safe_names(path, names, problems)


def list_sequences(folder: Path, problems: Problems) -> list[str]:
    """Return the names of the folders in a folder, sorted; none, with a problem, if unread."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        fix = "give the folder that holds JPEGImages and Annotations"
        problems.add(folder, f"cannot be listed ({error.strerror or error})", fix=fix)
        return []
    if not names:
        problems.add(folder, "has no folder of a video", fix="download the annotations again")
    return safe_names(folder, names, problems)


def safe_names(path: Path, names: Iterable[str], problems: Problems) -> list[str]:
    """Return the names that stay inside their folder; the others are problems."""
    kept = []
    for name in names:
        if is_plain_name(name):
            kept.append(name)
        else:
            problems.add(
                path,
                f"names the video {name[:80]!r}, which leads out of the folder",
                fix="do not trust this file; download it again",
            )
    return kept


def locate_given(
    folder: Path,
    masks: Sequence[Path],
    problems: Problems,
    *,
    check_pictures: bool = True,
    fps: float = DEFAULT_FPS,
    listed: Iterable[str] = (),
) -> GivenVideo | None:
    """Return a video by its folder of frames; None, with a problem noted, if it has none.

    Args:
        folder: The folder of frames.
        masks: Its folders of masks. Without frames, its frames are those with a mask.
        problems: Where problems are noted.
        check_pictures: Whether the frames must exist.
        fps: Frames per second.
        listed: The frames that the benchmark lists; without frames, these are frames, too.
    """
    if check_pictures:
        video = locate_video(folder, problems.entry(), fps=fps)
        return None if video is None else GivenVideo(video, video.names, video.size)
    found = find_pictures(folder)
    with_mask = {name for place in masks for name in find_pictures(place)}
    if not found and not with_mask:
        problems.leave_out(folder, "has neither frames nor masks", fix=ANNOTATIONS_AGAIN)
        return None
    ordered = sort_frame_names(set(found) or with_mask.union(listed))
    if not found and len(ordered) == 1:
        leave_out_unknown(folder, problems)
        return None
    place = UncheckedVideo(folder, ordered, masks=tuple(masks), fps=fps)
    return GivenVideo(place, ordered, None, has_frames=bool(found))


def locate_split(
    pictures: Path,
    annotations: Path,
    names: Sequence[str],
    problems: Problems,
    *,
    check_pictures: bool = True,
    fps: float = DEFAULT_FPS,
    listed: Mapping[str, Iterable[str]] | None = None,
) -> GivenSplit:
    """Return the videos of a split; those that are not there are left out, with a problem noted.

    Args:
        pictures: The folder with one folder of frames for each video.
        annotations: The folder with one folder of pictures of ids for each video.
        names: The videos.
        problems: Where problems are noted.
        check_pictures: Whether the frames must exist.
        fps: Frames per second.
        listed: For each video the frames that the benchmark lists; without frames, these are
            frames, too.
    """
    pictures, annotations = (unpacked_folder(one, names) for one in (pictures, annotations))
    videos: dict[str, GivenVideo] = {}
    for name in names:
        video = locate_given(
            pictures / name,
            [annotations / name],
            problems,
            check_pictures=check_pictures,
            fps=fps,
            listed=(listed or {}).get(name, ()),
        )
        if video is not None:
            videos[name] = video
    return GivenSplit(pictures, annotations, videos)


def leave_out_unknown(folder: Path, problems: Problems) -> None:
    """Note that neither frames nor masks say which frames a video has.

    Else a submission would be checked, or a split scored, by its first masks alone.
    """
    what = "has no frames, and its first masks do not say how many there are"
    problems.leave_out(folder, what, fix="give the folder of frames, too")


def with_first_masks(
    folder: Path,
    video: GivenVideo,
    problems: Problems,
    *,
    wanted: Mapping[int, str] | None = None,
    only_first: bool = False,
) -> GivenVideo | None:
    """Return a video with the first mask of each object; None, with a problem noted, without any.

    Args:
        folder: The pictures of ids, ``<frame>.png``.
        video: Their video.
        problems: Where problems are noted.
        wanted: For each object the frame on which it should be given, as the benchmark says.
            Objects that this picture does not show are looked for in the others. None: all
            objects that are in a picture.
        only_first: Whether only the first picture is looked at.
    """
    try:
        prompts = _first_masks(folder, video, wanted, only_first=only_first)
    except EvaluationError as error:
        problems.leave_out(folder, str(error), fix=ANNOTATIONS_AGAIN)
        return None
    if not prompts:
        problems.leave_out(folder, "shows no object to follow", fix=ANNOTATIONS_AGAIN)
        return None
    if missing := sorted(set(wanted or ()) - {prompt.object_id for prompt in prompts}):
        problems.note(f"object {missing[0]} of {folder.name} has no mask and cannot be given")
    return replace(video, prompts=prompts)


def _first_masks(
    folder: Path, video: GivenVideo, wanted: Mapping[int, str] | None, *, only_first: bool
) -> tuple[Prompt, ...]:
    there = find_pictures(folder)
    names = [name for name in video.names if name in there]
    if not names:
        raise EvaluationError(f"{folder} has no mask with the name of a frame")
    first = [name for name in dict.fromkeys((wanted or {}).values()) if name in there]
    order = names[:1] if only_first else list(dict.fromkeys([*first, *names]))
    places = {name: place for place, name in enumerate(video.names)}
    found: dict[int, tuple[int, Rle]] = {}
    for number, name in enumerate(order):
        if wanted is not None and number >= len(first) and found.keys() >= wanted.keys():
            break
        file = folder / there[name]
        ids = read_ids(file, where=str(file), size=video.size, fix=ANNOTATIONS_AGAIN)
        for object_id in np.unique(ids).tolist():
            asked = wanted is None or object_id in wanted
            if not 0 < object_id < _VOID or not asked:
                continue
            known = found.get(object_id)
            if known is None or places[name] < known[0]:
                # A picture of a later object may show an earlier one, too.
                found[object_id] = (places[name], Rle.encode(ids == object_id))
    return tuple(
        Prompt(object_id, frame, mask=rle) for object_id, (frame, rle) in sorted(found.items())
    )


_VOID = 255


def has_every_mask(folder: Path, names: Iterable[str]) -> bool:
    """Return whether a folder has a picture of each of these frames."""
    there = find_pictures(folder)
    return all(name in there for name in names)


def given_samples(
    videos: Mapping[str, GivenVideo], groups: Mapping[str, str] | None = None
) -> list[Sample]:
    """Return the sample of each video."""
    return [
        Sample(
            video_id, EXPRESSION, "", group=(groups or {}).get(video_id, ""), prompts=one.prompts
        )
        for video_id, one in videos.items()
    ]


class IdTruths:
    """Truth in pictures of ids, for objects that the benchmark names.

    Args:
        folder: The folder with one folder of pictures for each video.
        objects: For each video the objects that count.
        frames: For each video and object the names of the frames that count, in order; None
            stands for one that the benchmark counts as 0. None: all objects have all frames.
    """

    def __init__(
        self,
        folder: Path,
        objects: Mapping[str, Sequence[int]],
        frames: Mapping[str, Mapping[int, Sequence[str | None]]] | None = None,
    ) -> None:
        wanted = {f"{video_id}/{EXPRESSION}": ids for video_id, ids in objects.items()}
        self._pictures = IdPictureTruths(folder, wanted)
        self._folder = folder
        self._frames = frames

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the annotations of a sample's video.

        Raises:
            EvaluationError: If a picture is missing that counts, cannot be read or has another
                size.
        """
        truth = self._pictures.truth(sample, video)
        if self._frames is None:
            return truth
        places = {video.names[frame]: place for place, frame in enumerate(truth.frames)}
        own: dict[int, list[int | None]] = {}
        for object_id, names in self._frames[sample.video_id].items():
            missing = [name for name in names if name is not None and name not in places]
            if missing:
                raise EvaluationError(
                    f"{self._folder / sample.video_id} has no {missing[0]}.png, which counts for "
                    f"object {object_id}; {ANNOTATIONS_AGAIN}"
                )
            own[object_id] = [None if name is None else places[name] for name in names]
        return replace(truth, object_frames=own)

    def video_truth(self, video_id: str, video: SplitVideo) -> Truth:
        """Read all objects of a video, including those that do not count."""
        return self._pictures.video_truth(video_id, video)
