"""The published training files of VideoSEG-O3: VTS-CoT traces, and questions for rollouts.

VTS-CoT (cold start) is a list of items::

    {"video_name": ..., "frames": [<name>, ...], "exp": <query>, "anno_id": [int, ...],
     "sample_frame_indice": [int, ...],                 the larger frames of the first view
     "cot_trace": [{"start_frame", "end_frame", "key_frame"}, ...], "round_num": int,
     "conversations": [{"from": "system" | "human" | "gpt", "value": <text>}, ...]}

The file for reinforcement learning is a list of lists, of which the first element counts::

    [{"video_name", "frames", "exp", "anno_id", "mask_existence": [0 | 1 for each frame]}]

Both refer to a mask dictionary, ``{<anno_id>: [<COCO RLE> or null for each frame]}``, and to
pictures ``<pictures>/<video_name>/<frame>.jpg``.

Every item is checked; all problems are reported together. The released loader feeds the images of
the first turn in another order than their places in the text; here, a trace is an episode whose
conversation is built as in inference, where each image stands at its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from videoseg import ConfigError
from videoseg.benchmarks import (
    FirstProblem,
    find_rle_problem,
    is_plain_name,
    is_safe_id,
    locate_video,
    parse_rle,
    read_stated_size,
)
from videoseg.files import expand_path, read_bytes
from videoseg.text import parse_json, shorten
from videoseg.types import (
    MaskTrack,
    RunChecker,
    Size,
    VideoSource,
)
from videoseg_train.data import TrainingSet
from videoseg_train.errors import TrainingDataError
from videoseg_train.replay import ColdStartSet, TraceRound, TrainingTrace
from videoseg_train.samples import TrainingSample

__all__ = ["read_cold_start", "read_questions"]

_SELECT = re.compile(r"<select><VTG>(\{.*?\})</VTG>.*?</select>")
_ANSWER = re.compile(r"<answer>.*?</answer>", re.DOTALL)
_SEG = "[SEG]"
_IMAGE = "<image>"
_MAX_BYTES = 2**32
"""Largest file that is read; masks of a training set take 1 GB."""


# -- files -----------------------------------------------------------------------------------


def read_cold_start(
    file: str | Path,
    *,
    pictures: str | Path,
    masks: str | Path,
    check_pictures: bool = True,
    strict: bool = True,
) -> ColdStartSet:
    """Read a VTS-CoT file and check it.

    Args:
        file: The JSON file.
        pictures: The folder with one folder of pictures for each video.
        masks: The JSON file of the masks.
        check_pictures: Whether all pictures must exist and be as large as the masks; otherwise
            that is an error when a sample is asked for.
        strict: Whether an item that is wrong is an error; otherwise it is left out.

    Raises:
        TrainingDataError: If a file cannot be read, an item is wrong and ``strict``, or no item is
            right; lists all problems.
    """
    source = _Source.read(file, pictures, masks)
    kept, left_out = source.check_all(_check_trace, check_pictures=check_pictures, strict=strict)
    make = partial(_make_trace, source, kept)
    most_turns = max((len(item.trace.texts) for item in kept if item.trace), default=0)
    return ColdStartSet(source.name, len(kept), make, left_out=left_out, most_turns=most_turns)


def read_questions(
    file: str | Path,
    *,
    pictures: str | Path,
    masks: str | Path,
    check_pictures: bool = True,
    strict: bool = True,
) -> TrainingSet:
    """Read VideoSEG-O3's file for reinforcement learning and check it.

    Args:
        file: The JSON file.
        pictures: The folder with one folder of pictures for each video.
        masks: The JSON file of the masks.
        check_pictures: As for ``read_cold_start``.
        strict: Likewise.

    Raises:
        TrainingDataError: If a file cannot be read, an item is wrong and ``strict``, or no item is
            right; lists all problems.
    """
    source = _Source.read(file, pictures, masks)
    kept, left_out = source.check_all(
        _check_question, check_pictures=check_pictures, strict=strict
    )
    make = partial(_make_question, source, kept)
    return TrainingSet(source.name, len(kept), make, left_out=left_out)


_UNKNOWN: Size = (0, 0)
"""The size of masks that are all null, or of none."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A checked item."""

    id: str
    video_name: str
    frames: tuple[str, ...]
    query: str
    anno_ids: tuple[str, ...]
    size: Size
    trace: _TraceParts | None = None


@dataclass(slots=True)
class _Source:
    """A file that is being read, and its problems."""

    name: str
    items: list[Any]
    pictures: Path
    masks: Mapping[str, Any]
    problems: list[tuple[str, str]]
    checked: dict[tuple[str, int], tuple[str, Size | None]]
    runs: RunChecker

    @staticmethod
    def read(file: str | Path, pictures: str | Path, masks: str | Path) -> _Source:
        path = expand_path(file)
        problems: list[str] = []
        items = _read_json(path, problems)
        encoded = _read_json(expand_path(masks), problems)
        if items is not None and not (isinstance(items, list) and items):
            problems.append(f"{path} must hold a list of items, got {shorten(items)}")
        if encoded is not None and not isinstance(encoded, dict):
            problems.append(f"{masks} must map annotation ids to masks, got {shorten(encoded)}")
        if problems:
            raise TrainingDataError(str(path), problems)
        return _Source(str(path), items, expand_path(pictures), encoded, [], {}, RunChecker())

    def note(self, where: str, problem: str) -> None:
        """Note what is wrong with an item."""
        self.problems.append((where, problem))

    def check_item(self, where: str, value: Any) -> _Item | None:
        """Return what both files say of a question; None, with problems noted, if it is wrong."""
        if not isinstance(value, dict):
            self.note(where, f"must be an object, got {shorten(value)}")
            return None
        before = len(self.problems)
        keys = ("video_name", "frames", "exp", "anno_id")
        given: list[Any] = [value.get(key) for key in keys]
        video, frames, query, ids = given
        if not is_safe_id(video):
            self.note(where, f"'video_name' is no usable name: {shorten(video)}")
        named = isinstance(frames, list) and frames and all(map(is_plain_name, frames))
        if not named or len(set(frames)) < len(frames):
            self.note(
                where,
                f"'frames' must be the names of its frames, each once, got {shorten(frames)}",
            )
        if not isinstance(query, str) or not query.strip():
            self.note(where, f"'exp' must be a query, got {shorten(query)}")
        if not isinstance(ids, list) or not all(type(one) in (int, str) for one in ids):
            self.note(where, f"'anno_id' must be a list of numbers, got {shorten(ids)}")
        if len(self.problems) > before:
            return None
        anno_ids = tuple(dict.fromkeys(str(one) for one in ids))
        found = [self._check_masks(where, one, len(frames)) for one in anno_ids]
        sizes = {size for size in found if size is not None}
        if len(sizes) > 1:
            self.note(where, f"its masks are of different sizes: {sorted(sizes)}")
        if len(self.problems) > before:
            return None
        size = next(iter(sizes), _UNKNOWN)
        return _Item(where, video, tuple(frames), query.strip(), anno_ids, size)

    def _check_masks(self, where: str, anno_id: str, num_frames: int) -> Size | None:
        """Return the size of the masks of an annotation, None if all are null."""
        key = (anno_id, num_frames)
        is_new = key not in self.checked
        if is_new:
            self.checked[key] = _find_track_problem(self.masks.get(anno_id), num_frames)
        problem, size = self.checked[key]
        if problem:
            self.note(where, f"the masks of annotation {anno_id} {problem}")
        elif size is not None and is_new:
            for frame, mask in enumerate(self.masks[anno_id]):
                self.runs.add(mask, size, (where, anno_id, frame))
        return size

    def check_existence(self, where: str, value: Any, item: _Item) -> None:
        """Compare ``mask_existence`` with the masks."""
        count = len(item.frames)
        if not isinstance(value, list) or any(one not in (0, 1) for one in value):
            self.note(
                where, f"'mask_existence' must be 0 or 1 for each frame, got {shorten(value)}"
            )
            return
        if len(value) != count:
            self.note(where, f"'mask_existence' is for {len(value)} frames, but there are {count}")
            return
        try:
            shows = [any(areas) for areas in zip(*self._areas(item), strict=True)]
        except ConfigError:
            return  # The runs are malformed, which is reported elsewhere.
        wrong = [
            frame
            for frame, said in enumerate(value)
            if bool(said) != (bool(shows) and shows[frame])
        ]
        if wrong:
            self.note(
                where,
                f"'mask_existence' says {value[wrong[0]]} for frame {wrong[0]}, where "
                f"its masks say otherwise ({len(wrong)} such frames)",
            )

    def _areas(self, item: _Item) -> list[tuple[int, ...]]:
        return [track.areas for track in self.tracks(item).values()]

    def check_all(
        self,
        check: Callable[[_Source, str, Any], _Item | None],
        *,
        check_pictures: bool,
        strict: bool,
    ) -> tuple[list[_Item], list[str]]:
        """Return the items that are right, and all problems.

        Args:
            check: Checks the value of an item, whose name it is given, and notes its problems.
                Returns None if nothing can be made of it.
            check_pictures: Whether the pictures are checked, too.
            strict: Whether any problem is an error.

        Raises:
            TrainingDataError: If there are problems and ``strict``, or no item is right.
        """
        named = ((f"item {number}", value) for number, value in enumerate(self.items))
        items = [one for one in (check(self, *item) for item in named) if one is not None]
        self.runs.finish(self._note_runs)
        if check_pictures:
            self._check_pictures(items)
        listed = [f"{where}: {problem}" for where, problem in self.problems]
        wrong = {where for where, _ in self.problems}
        kept = [item for item in items if item.id not in wrong]
        if listed and (strict or not kept):
            raise TrainingDataError(self.name, listed)
        return kept, listed

    def _check_pictures(self, items: Sequence[_Item]) -> None:
        for video in {item.video_name: item for item in items}.values():
            try:
                self.open(video)
            except TrainingDataError as error:
                [problem] = error.problems
                for one in items:
                    if one.video_name == video.video_name:
                        self.note(one.id, problem.removeprefix(f"{video.id}: "))

    def _note_runs(self, place: tuple[str, str, int], what: str) -> None:
        where, anno_id, frame = place
        self.note(where, f"the mask of annotation {anno_id}, frame {frame}: {what}")

    def open(self, item: _Item) -> VideoSource:
        """Open the video of an item, under the item's id.

        Raises:
            TrainingDataError: If pictures are missing, or of another size than the masks.
        """
        found = FirstProblem()
        video = locate_video(self.pictures / item.video_name, found, names=item.frames)
        if video is not None and item.size not in (_UNKNOWN, video.size):
            found.text = f"its masks are of size {item.size}, but its frames of {video.size}"
        if video is None or found.text:
            raise TrainingDataError(self.name, [f"{item.id}: {found.text}"])
        return video.open(f"{Path(self.name).stem}/{item.id}")

    def tracks(self, item: _Item, size: Size | None = None) -> dict[int, MaskTrack]:
        """Return the true masks of an item."""
        size = size or (item.size if item.size != _UNKNOWN else (1, 1))
        tracks = {}
        for number, anno_id in enumerate(item.anno_ids, start=1):
            rles = [parse_rle(mask, size) for mask in self.masks[anno_id]]
            shown = tuple(rle if rle is not None and rle.area else None for rle in rles)
            tracks[number] = MaskTrack(number, size, shown)
        return tracks


def _read_json(path: Path, problems: list[str]) -> Any:
    try:
        return parse_json(read_bytes(path, max_bytes=_MAX_BYTES))
    except OSError as error:
        problems.append(f"{path} cannot be read ({error.strerror or error})")
    except ValueError as error:
        problems.append(f"{path} is not valid JSON ({error}); download it again")
    return None


def _find_track_problem(masks: Any, num_frames: int) -> tuple[str, Size | None]:
    """Return what is wrong with the masks of an annotation, and their size."""
    if masks is None:
        return "are not in the file of masks", None
    if not isinstance(masks, list):
        return f"must be a list with a mask for each frame, got {shorten(masks)}", None
    if len(masks) != num_frames:
        return f"are for {len(masks)} frames, but the video has {num_frames}", None
    sizes = (read_stated_size(mask) for mask in masks if mask is not None)
    size = next((one for one in sizes if one is not None), None)
    for frame, mask in enumerate(masks):
        if (problem := find_rle_problem(mask, size or (1, 1))) is not None:
            return f"are wrong on frame {frame}: {problem}", None
    return "", size


# -- questions -------------------------------------------------------------------------------


def _check_question(source: _Source, where: str, value: Any) -> _Item | None:
    """Return a question; problems are noted."""
    if not isinstance(value, list) or not value:
        source.note(where, f"must be a list of objects, got {shorten(value)}")
        return None
    # The released loader reads the first element alone.
    item = source.check_item(where, value[0])
    if item is not None:
        source.check_existence(where, value[0].get("mask_existence"), item)
    return item


def _make_question(source: _Source, items: Sequence[_Item], number: int) -> TrainingSample:
    item = items[number]
    video = source.open(item)
    truth = partial(source.tracks, item, video.size)
    return TrainingSample(video.name, video, item.query, truth, {"video": item.video_name})


# -- traces ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TraceParts:
    """The parts of a trace beside its question."""

    detail: tuple[int, ...]
    rounds: tuple[TraceRound, ...]
    texts: tuple[str, ...]


def _check_trace(source: _Source, where: str, value: Any) -> _Item | None:
    """Return a trace; problems are noted."""
    item = source.check_item(where, value)
    if item is None:
        return None
    num_frames = len(item.frames)
    detail = value.get("sample_frame_indice")
    if not _are_frames(detail, num_frames) or not detail:
        source.note(
            where,
            f"'sample_frame_indice' must be indices of its {num_frames} frames, got "
            f"{shorten(detail)}",
        )
        detail = []
    rounds = _check_rounds(source, where, value.get("cot_trace"), num_frames)
    if "round_num" in value and value["round_num"] != len(rounds):
        source.note(
            where,
            f"'round_num' is {shorten(value['round_num'])}, but 'cot_trace' has "
            f"{len(rounds)} rounds",
        )
    texts = _check_conversation(source, where, value.get("conversations"), rounds)
    parts = _TraceParts(tuple(sorted(set(detail))), tuple(rounds), tuple(texts))
    return replace(item, trace=parts)


def _check_rounds(source: _Source, where: str, value: Any, num_frames: int) -> list[TraceRound]:
    if not isinstance(value, list) or not value:
        source.note(where, f"'cot_trace' must have at least one round, got {shorten(value)}")
        return []
    rounds = []
    for number, one in enumerate(value):
        given = one if isinstance(one, dict) else {}
        numbers = [given.get(key) for key in ("start_frame", "end_frame", "key_frame")]
        if not _are_frames(numbers, num_frames) or numbers[0] > numbers[1]:  # type: ignore[operator]
            source.note(
                where,
                f"round {number} of 'cot_trace' must have start_frame <= end_frame and "
                f"a key_frame, all from 0 to {num_frames - 1}, got {shorten(one)}",
            )
            numbers = [0, 0, 0]
        start, end, keyframe = (int(one or 0) for one in numbers)
        rounds.append(TraceRound(start, end, keyframe))
    return rounds


def _check_conversation(
    source: _Source, where: str, value: Any, rounds: Sequence[TraceRound]
) -> list[str]:
    """Return what the assistant says in each turn."""
    if not isinstance(value, list) or not all(
        isinstance(one, dict) and isinstance(one.get("value"), str) for one in value
    ):
        source.note(where, "'conversations' must be a list of messages with a 'value'")
        return []
    said = [one.get("from") for one in value]
    wanted = ["system", *(["human", "gpt"] * (len(rounds) + 1))]
    if said != wanted:
        source.note(
            where,
            f"'conversations' must be system, then human and gpt in turn, one gpt for "
            f"each of its {len(rounds)} rounds and one for the answer, got {shorten(said)}",
        )
        return []
    for turn, message in enumerate(value[1::2]):
        places = message["value"].count(_IMAGE)
        if turn and places != 1:
            source.note(
                where, f"the human message of turn {turn} must have one {_IMAGE}, got {places}"
            )
    texts = [one["value"].strip() for one in value[2::2]]
    for turn, text in enumerate(texts):
        if text.count(_SEG) != 1:
            source.note(
                where,
                f"turn {turn} must have one {_SEG}, whose mask is trained, got {text.count(_SEG)}",
            )
        if turn < len(rounds):
            found = _SELECT.search(text)
            if found is None or _read_select(found[1]) != rounds[turn]:
                source.note(
                    where,
                    f"turn {turn} must select the frames of its round, {rounds[turn]}, "
                    f"but has {shorten(found[0]) if found else 'no readable <select><VTG>'}",
                )
        elif not _ANSWER.search(text):
            source.note(where, "the last turn has no <answer>")
    return texts


def _read_select(text: str) -> TraceRound | None:
    try:
        value = json.loads(text)
        numbers = [value[key] for key in ("start", "end", "keyframe")]
    except (ValueError, KeyError, TypeError):
        return None
    return TraceRound(*numbers) if all(type(one) is int for one in numbers) else None


def _are_frames(value: Any, num_frames: int) -> bool:
    return isinstance(value, list) and all(
        type(one) is int and 0 <= one < num_frames for one in value
    )


def _make_trace(source: _Source, items: Sequence[_Item], number: int) -> TrainingTrace:
    sample = _make_question(source, items, number)
    parts = items[number].trace
    assert parts is not None
    return TrainingTrace(sample, parts.detail, parts.rounds, parts.texts)
