"""``FolderBenchmark``: base class for your own benchmark of videos, expressions and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.benchmarks.expressions import (
    Expression,
    make_samples,
    parse_expressions,
    read_video_entries,
)
from videoseg.benchmarks.mask_pictures import MaskFolderTruths
from videoseg.benchmarks.split import LoadedSplit, SplitReader, make_split
from videoseg.benchmarks.untrusted import FirstProblem, ProblemList, Problems
from videoseg.benchmarks.videos import SplitVideo, VideoPlace, locate_video
from videoseg.errors import VideoError
from videoseg.metrics.protocol import EvalProtocol
from videoseg.types import Size
from videoseg.video import Video

__all__ = ["FolderBenchmark"]

VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi")


class FolderBenchmark(SplitReader):
    """Reads your own benchmark. Subclass it, and give it a name and a protocol.

    ::

        <root>/meta_expressions.json
               videos/<video>/<frame>.jpg, or videos/<video>.mp4
               masks/<video>/<expression>/<frame>.png          (above 0: the object)

    and with several ``splits`` the same in ``<root>/<split>/``. The file is
    ``{"videos": {<video>: {"expressions": {<id>: {"exp": <sentence>}}}}}``. A video may have
    ``frames``, the names of the pictures that are its frames; by default all pictures in natural
    order. The frames of a video file are named ``00000``, ``00001`` and so on. An expression may
    have ``no_target: true``: there is no such object and no mask. A frame without a mask file is
    not annotated and not scored. Text under other keys becomes an attribute.

    A missing video, or an expression without text or masks, is left out and reported; if most
    are, the folder cannot be read.

    Args:
        check_pictures: Whether videos and masks must exist.

    Attributes:
        name: Its name in ``videoseg eval``.
        protocol: How it is scored.
        splits: Its splits; the first is the default.
        license: License of the data.
        homepage: Download page.
        submission: Layout of a submission to its server; None if it has no server.
        group_key: The key of an expression that holds its group.

    Example:
        >>> from videoseg.metrics.protocol import EvalProtocol
        >>> class Kitchen(FolderBenchmark):
        ...     name = "kitchen"
        ...     protocol = EvalProtocol("kitchen", ("j_and_f", "j", "f"))
    """

    protocol: EvalProtocol
    splits = ("all",)
    group_key = "group"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root if len(self.splits) == 1 else root / split
        meta = folder / "meta_expressions.json"
        places: dict[str, VideoPlace] = {}
        folders: dict[str, Path | None] = {}
        videos = parse_expressions(
            meta, read_video_entries(meta, problems), problems, prepare=_with_frames
        )
        for video in videos:
            names = () if video.frames == _EVERY else video.frames
            place: VideoPlace | None = _UncheckedVideo(folder / "videos", video.video_id, names)
            if self.check_pictures:
                odd = problems.entry(len(video.expressions))
                place = _place(folder / "videos", video.video_id, names, odd)
            if place is not None:
                places[video.video_id] = place
            for expression in video.expressions:
                masks = folder / "masks" / video.video_id / expression.expression_id
                no_target = expression.fields.get("no_target") is True
                if self.check_pictures and not no_target and not masks.is_dir():
                    fix = "put the masks there, or write no_target: true for the expression"
                    # A video that is left out has been counted already.
                    count = 0 if place is None else 1
                    problems.leave_out(masks, "is missing", fix=fix, num_samples=count)
                    continue
                folders[expression.sample_id] = None if no_target else masks
        located = [video for video in videos if video.video_id in places]
        samples = make_samples(located, self.group, folders)
        return make_split(
            problems,
            protocol=self.protocol,
            samples=samples,
            videos=places,
            truths=MaskFolderTruths(folders, absent="unannotated"),
        )

    def group(self, expression: Expression) -> str:
        """Return the group of an expression."""
        value = expression.fields.get(self.group_key)
        return value if isinstance(value, str) else ""


# Placeholder for "all frames" until the folder is listed.
_EVERY = ("*",)


def _with_frames(entry: Any) -> Any:
    return {"frames": list(_EVERY), **entry} if isinstance(entry, dict) else entry


@dataclass(frozen=True, slots=True)
class _UncheckedVideo:
    folder: Path
    video_id: str
    names: tuple[str, ...]
    size: Size | None = None

    def locate(self) -> SplitVideo:
        """Look for the video; see ``VideoPlace``."""
        problem = FirstProblem()
        place = _place(self.folder, self.video_id, self.names, problem)
        if place is None:
            raise VideoError(problem.text)
        return place


def _place(
    folder: Path, video_id: str, names: Sequence[str], problems: ProblemList
) -> SplitVideo | None:
    pictures = folder / video_id
    if pictures.is_dir():
        return locate_video(pictures, problems, names=names, fix="put every frame there")
    files = (folder / f"{video_id}{suffix}" for suffix in VIDEO_SUFFIXES)
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        problems.add(
            pictures,
            f"is not a folder of pictures, and there is no {video_id}.mp4",
            fix="put the video there",
        )
        return None
    try:
        with Video.open(file) as video:
            count, size, fps = len(video), video.size, video.fps
    except VideoError as error:
        problems.add(file, str(error), fix="replace it")
        return None
    return SplitVideo(file, (), tuple(f"{index:05d}" for index in range(count)), size, fps)
