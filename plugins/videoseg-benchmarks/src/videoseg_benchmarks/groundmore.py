"""GroundMoRe."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.benchmarks import (
    ANNOTATIONS_AGAIN,
    DO_NOT_TRUST,
    FILE_AGAIN,
    LoadedSplit,
    Problems,
    Sample,
    SplitReader,
    SplitVideo,
    Truth,
    VideoPlace,
    is_plain_name,
    is_safe_id,
    locate_video,
    make_split,
    read_ids,
    read_video_entries,
)
from videoseg.metrics import protocol_named
from videoseg.text import shorten
from videoseg.types import Rle, Window
from videoseg_benchmarks.expressions import is_decimal, parsed_object_ids
from videoseg_benchmarks.videos import UncheckedVideo

__all__ = ["GroundMoRe"]

FPS = 6
NUM_SCORED_FRAMES = 20
_CLIP = re.compile(r"([0-9]{2})([0-9]{2})_([0-9]{2})([0-9]{2})$")
_INDEXED = re.compile(r"frame_[0-9]{6}|[0-9]{7}")


class GroundMoRe(SplitReader):
    """GroundMoRe: motion-grounded video reasoning (Deng et al., CVPR 2025).

    ::

        <root>/test_v2.json, trainval_v2.json (or without the _v2)
               annotations/<video>/images/<frame>.jpg
               annotations/<video>/masks/<frame>.png     (ids)

    A video's entry has ``questions: {id: {"question", "answer", "q_type", "obj_id",
    "action_start", "action_end"}}``. Ids of videos end with the clip's begin and end in the
    source, ``MMSS_MMSS``; times of an action are minutes and seconds of the source, such as
    ``4:15`` (or ``1:04:15``), at 6 frames per second: frames ``(start - clip) * 6`` to
    ``(end - clip) * 6 - 1`` show it. Scored are 20 evenly spaced frames, as in the published
    script: of a clip with fewer frames some count twice. Outside the action, and where a mask
    file is missing, the truth is empty. Masks are looked up by the index of the frame, as in the
    script: ``frame_<index>`` with six digits, or seven digits alone, whatever the name of the
    frame; by that name only if it has neither form. Videos without pictures are
    left out (the archive of ``trainval`` lacks one). Groups by ``q_type``: Causal, Sequential,
    Counterfactual, Descriptive.

    Args:
        check_pictures: Whether the pictures must exist. Only they give the number of frames of a
            video: without them there is no truth either.
    """

    name = "groundmore"
    splits = ("test", "trainval")
    license = "none stated where it is published; ask its owners"
    homepage = "https://groundmore.github.io"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        path = root / f"{split}_v2.json"
        if not path.is_file() and (root / f"{split}.json").is_file():
            path = root / f"{split}.json"
        samples: list[Sample] = []
        videos: dict[str, VideoPlace] = {}
        questions: dict[str, _Question] = {}
        for video_id, entry in read_video_entries(path, problems).items():
            video = self._video(path, root, video_id, entry, problems)
            if video is None:
                continue
            videos[video_id] = video
            for key, value in entry["questions"].items():
                question = _question(path, video_id, key, value, problems)
                if question is not None:
                    sample = Sample(video_id, key, question.text, group=question.kind)
                    samples.append(sample)
                    questions[sample.id] = question
        return make_split(
            problems,
            protocol=protocol_named("groundmore"),
            samples=samples,
            videos=videos,
            truths=_Truths(root / "annotations", questions),
        )

    def _video(
        self, path: Path, root: Path, video_id: str, entry: Any, problems: Problems
    ) -> VideoPlace | None:
        place = f"video {shorten(video_id)}"
        if not is_safe_id(video_id) or not _CLIP.search(video_id):
            problems.add(
                path,
                f"{place} is not a usable id: it must end with MMSS_MMSS and name a folder",
                fix=DO_NOT_TRUST,
            )
            return None
        if not isinstance(entry, dict) or not isinstance(entry.get("questions"), dict):
            problems.leave_out(path, f"{place} needs 'questions'", fix=FILE_AGAIN)
            return None
        folder = root / "annotations" / video_id / "images"
        if not self.check_pictures:
            return UncheckedVideo(folder, masks=(folder.with_name("masks"),), fps=FPS)
        odd = problems.entry(len(entry["questions"]))
        return locate_video(folder, odd, fps=FPS)


@dataclass(frozen=True, slots=True)
class _Question:
    text: str
    kind: str
    object_ids: tuple[int, ...]
    start: int
    stop: int


class _Truths:
    def __init__(self, folder: Path, questions: Mapping[str, _Question]) -> None:
        self._folder = folder
        self._questions = questions

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the masks of the scored frames; see ``TruthSource``."""
        question = self._questions[sample.id]
        total = len(video.names)
        chosen = np.linspace(0, total - 1, NUM_SCORED_FRAMES, dtype=int)
        frames = tuple(int(frame) for frame in chosen)
        tracks: dict[int, list[Rle | None]] = {one: [] for one in question.object_ids}
        for frame in frames:
            file = None
            if question.start <= frame < question.stop:
                file = self._file(sample.video_id, video.names[frame], frame)
            ids = None
            if file is not None:
                ids = read_ids(file, where=str(file), size=video.size, fix=ANNOTATIONS_AGAIN)
            for object_id, track in tracks.items():
                mask = np.zeros(0, bool) if ids is None else np.asarray(ids == object_id)
                track.append(Rle.encode(mask) if mask.any() else None)
        start, stop = max(0, question.start), min(total, question.stop)
        return Truth(
            size=video.size,
            frames=frames,
            objects={object_id: tuple(track) for object_id, track in tracks.items()},
            window=Window(start, stop) if start < stop else None,
        )

    def _file(self, video_id: str, name: str, frame: int) -> Path | None:
        folder = self._folder / video_id / "masks"
        names = [f"frame_{frame:06d}", f"{frame:07d}"]
        if not _INDEXED.fullmatch(name):
            names.append(name)
        files = (folder / f"{one}.png" for one in names)
        return next((file for file in files if os.path.lexists(file)), None)


def _question(
    path: Path, video_id: str, key: str, value: Any, problems: Problems
) -> _Question | None:
    where = f"video {video_id!r}, question {shorten(key)}"
    if not is_plain_name(key):
        problems.add(path, f"{where} is not a usable id", fix=FILE_AGAIN)
        return None
    if not isinstance(value, dict):
        problems.leave_out(path, f"{where} has no content", fix=FILE_AGAIN)
        return None
    text = value.get("question")
    ids = parsed_object_ids(value.get("obj_id"))
    start, end = _seconds(value.get("action_start")), _seconds(value.get("action_end"))
    if not isinstance(text, str) or not text.strip() or ids is None:
        problems.leave_out(path, f"{where} needs 'question' and 'obj_id' from 1", fix=FILE_AGAIN)
        return None
    if start is None or end is None:
        times = shorten((value.get("action_start"), value.get("action_end")))
        problems.leave_out(
            path,
            f"{where} needs 'action_start' and 'action_end' as times such as 4:15, got {times}",
            fix=FILE_AGAIN,
        )
        return None
    clip = _CLIP.search(video_id)
    begin = int(clip[1]) * 60 + int(clip[2]) if clip else 0
    kind = value.get("q_type")
    return _Question(
        text.strip(),
        kind if isinstance(kind, str) else "",
        ids,
        (start - begin) * FPS,
        (end - begin) * FPS,
    )


def _seconds(value: Any) -> int | None:
    parts = value.split(":") if isinstance(value, str) else []
    if not 1 <= len(parts) <= 3 or not all(
        len(part) < 6 and is_decimal(part.strip()) for part in parts
    ):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds
