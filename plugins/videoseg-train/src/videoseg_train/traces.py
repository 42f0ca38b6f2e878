"""Making demonstrations in the form of VTS-CoT, by five steps.

1. **Propose.** The true masks say where to look: an episode of grounder ``o3`` is run with a
   perfect teacher, whose windows and keyframes are those of the trace.
2. **Write.** For each turn a chat model is shown the conversation and told what is done next; it
   writes the thought, in the three dimensions and the action. Without a chat model the teacher's
   own words stay, which suits drawn clips.
3. **Check.** The objects must show on the keyframe of the last look. A thought must have its four
   parts, name only frames of the video and, in its temporal part, not only frames where the
   objects do not show; it must have no tags, and not speak of having been told.
4. **Rewrite or drop.** What is wrong is said to the model, once; if it is still wrong, the sample
   is dropped, with the reason.
5. **Write the files**, which ``read_cold_start`` reads: ``traces.json``, ``masks.json`` and
   ``pictures``; and a report of what was dropped (``report.html``, ``report.json``).

How the traces of VTS-CoT itself were made is unpublished, but for the number of steps.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from videoseg_o3 import CoarseSampler, O3Grounder, parse_turn

from videoseg import ChatModel, ConfigError, VideoError
from videoseg.chat_log import RecordingChat, pixels_digest
from videoseg.errors import (
    ContextLengthError,
    EvaluationError,
    GroundingParseError,
)
from videoseg.files import expand_path, make_folder, write_file
from videoseg.pipeline import run_episode
from videoseg.types import (
    BoolArray,
    Look,
    Message,
    TextPart,
    VideoSource,
    Window,
)
from videoseg_train.data import TrainingSet
from videoseg_train.errors import TrainingDataError
from videoseg_train.samples import TrainingSample
from videoseg_train.teacher import TeacherChat
from videoseg_train.thoughts import Fault, UnusableThoughtError, WritingTeacher
from videoseg_train.trace_report import write_trace_report
from videoseg_train.trace_store import Made, TraceStore, list_items, list_masks, writing

__all__ = ["TraceProgress", "TraceReport", "build_traces"]

_EXCHANGES = "exchanges.jsonl"
_PROGRESS = "progress.jsonl"

_LEFT_OUT = "items of the source that cannot be used"
_DAMAGED = "a video or its masks"


@dataclass(frozen=True, slots=True)
class TraceReport:
    """What became of the samples.

    Args:
        folder: Where the files are.
        num_kept: How many traces there are.
        dropped: Why each of the other samples has none, by its id.
        num_rewritten: How many thoughts were written a second time.
        reasons: How many samples were dropped for each sort of reason, most first.
        page: The report as a page for the browser.
    """

    folder: Path
    num_kept: int
    dropped: dict[str, str]
    num_rewritten: int
    reasons: dict[str, int]
    page: Path


@dataclass(frozen=True, slots=True)
class TraceProgress:
    """How far the making of traces is.

    Args:
        sample: The id of the sample that is done.
        dropped: Why it was dropped; empty if it was not.
        done: How many samples are done.
        total: How many there are, if that is known.
        seconds_left: How long the others will take, if that can be told.
    """

    sample: str
    dropped: str
    done: int
    total: int | None
    seconds_left: float | None


def build_traces(
    samples: Iterable[TrainingSample],
    folder: str | Path,
    *,
    writer: ChatModel | None = None,
    num_looks: int = 1,
    seed: int = 0,
    max_tokens: int = 512,
    num_parallel: int = 1,
    on_done: Callable[[TraceProgress], None] | None = None,
) -> TraceReport:
    """Make a trace of each sample; see the module.

    What is finished is kept in ``progress.jsonl``, and each reply of the writer in
    ``exchanges.jsonl``: called again after whatever ended it, it goes on where it was, and asks
    nothing twice. The result does not depend on ``num_parallel``.

    Args:
        samples: The samples. One of a sequence that cannot be opened is dropped; what a
            ``TrainingSet`` has left out counts as dropped, too.
        folder: Where the files are written.
        writer: The chat model that writes the thoughts; None for the teacher's own words.
        num_looks: How many looks each trace has, at least 1.
        seed: Seed of the writer.
        max_tokens: Upper bound on the tokens of a thought; models that think before they write
            need more.
        num_parallel: How many samples are worked on at once, in threads; above 1 for a writer
            that answers several questions at a time, such as a server.
        on_done: Called after each sample.

    Raises:
        ConfigError: If a number is out of range.
        ChatError: If the writer cannot answer, such as a server that is gone.
        OutputError: If a file cannot be written, such as on a full disk.
    """
    wrong = {"num_looks": num_looks, "max_tokens": max_tokens, "num_parallel": num_parallel}
    if problems := [f"{key} must be at least 1, got {n}" for key, n in wrong.items() if n < 1]:
        raise ConfigError(problems)
    place = expand_path(folder)
    with writing(place):
        make_folder(place)
    if writer is not None:
        writer = RecordingChat(writer, place / _EXCHANGES, resume=True)
    maker = _Maker(place, writer, num_looks, seed, max_tokens)
    store = TraceStore(place / _PROGRESS)
    total = len(samples) if isinstance(samples, Sequence) else None
    order: list[str] = []
    clock = _Clock()
    for sample, found in _run(_list_jobs(samples, maker, store), num_parallel):
        if found is not None:
            store.add(sample, found.made, keep=found.is_final)
        order.append(sample)
        if on_done is not None:
            left = clock.count(len(order), total, is_new=found is not None)
            dropped = store.outcomes[sample].dropped
            on_done(TraceProgress(sample, dropped, len(order), total, left))
    # A sample that was made counts, whatever was said of its name.
    done = set(order)
    left_out = {name: one for name, one in _list_left_out(samples).items() if name not in done}
    for name, one in left_out.items():
        store.add(name, one.made, keep=False)
    return _write_files(place, store, list(dict.fromkeys([*left_out, *order])))


# -- the order of work -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of a sample, worked out now.

    Args:
        made: What became of it.
        is_final: Whether it is not tried again the next time.
    """

    made: Made
    is_final: bool = True


_Result: TypeAlias = tuple[str, _Found | None]
"""A sample's id and what became of it; None if that was known before."""


def _list_jobs(
    samples: Iterable[TrainingSample], maker: _Maker, store: TraceStore
) -> Iterator[Callable[[], _Result]]:
    seen: set[str] = set()
    for sample in _open_each(samples):
        if isinstance(sample, tuple):
            # Not kept: the file may be there the next time.
            name, reason = sample
            yield partial(_return, (name, _drop(_DAMAGED, reason, is_final=False)))
            continue
        if sample.id in seen:
            continue
        seen.add(sample.id)
        if sample.id in store:
            yield partial(_return, (sample.id, None))
        else:
            yield partial(_make_one, maker, sample)


def _open_each(
    samples: Iterable[TrainingSample],
) -> Iterator[TrainingSample | tuple[str, str]]:
    """Yield the samples; in the place of one that cannot be opened, its name and the reason."""
    if not isinstance(samples, Sequence):
        yield from samples
        return
    for number in range(len(samples)):
        try:
            opened = samples[number]
        except (TrainingDataError, EvaluationError, VideoError) as error:
            yield f"sample {number}", str(error)
        else:
            yield opened


def _list_left_out(samples: Iterable[TrainingSample]) -> dict[str, _Found]:
    """Return what a set has left out when it was read, by its name there."""
    problems: dict[str, list[str]] = {}
    for one in samples.left_out if isinstance(samples, TrainingSet) else ():
        name, _, problem = one.partition(": ")
        problems.setdefault(name, []).append(problem or name)
    return {name: _drop(_LEFT_OUT, "; ".join(found)) for name, found in problems.items()}


def _return(result: _Result) -> _Result:
    return result


def _make_one(maker: _Maker, sample: TrainingSample) -> _Result:
    return sample.id, maker.make(sample)


def _run(jobs: Iterator[Callable[[], _Result]], num_parallel: int) -> Iterator[_Result]:
    """Yield the results in the order of the jobs."""
    if num_parallel == 1:
        yield from (job() for job in jobs)
        return
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(num_parallel) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > 2 * num_parallel:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


class _Clock:
    """Tells from the samples that were worked on now how long the others will take."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._num_new = 0

    def count(self, done: int, total: int | None, *, is_new: bool) -> float | None:
        self._num_new += is_new
        if total is None or not self._num_new:
            return None
        return (time.monotonic() - self._begin) / self._num_new * (total - done)


# -- one sample ------------------------------------------------------------------------------


class _Dropped(Exception):  # noqa: N818 -- it is no failure that a sample is dropped
    """A sample gets no trace; the message says why, ``kind`` in which of a report's groups."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(reason)


def _drop(
    kind: str,
    reason: str,
    faults: Sequence[Fault] = (),
    *,
    query: str = "",
    is_final: bool = True,
) -> _Found:
    made = {
        "dropped": reason,
        "kind": kind,
        "rewritten": 0,
        "faults": [fault.to_dict() for fault in faults],
        "query": query,
    }
    return _Found(made, is_final)


class _Maker:
    """Makes the traces of samples, in any thread."""

    def __init__(
        self,
        folder: Path,
        writer: ChatModel | None,
        num_looks: int,
        seed: int,
        max_tokens: int,
    ) -> None:
        self._folder, self._writer = folder, writer
        self._num_looks, self._seed, self._max_tokens = num_looks, seed, max_tokens
        # Samples share videos.
        self._pictures = threading.Lock()

    def make(self, sample: TrainingSample) -> _Found:
        """Return the item of a sample with its masks, or why it is dropped.

        Raises:
            VideosegError: If it fails for a reason that is not the sample's.
        """
        faults: list[Fault] = []
        try:
            return _Found({**self._make_item(sample, faults), "query": sample.query})
        except _Dropped as dropped:
            kind, reason = dropped.kind, str(dropped)
        except UnusableThoughtError as error:
            kind, reason = "thoughts that are not usable", str(error)
        except GroundingParseError as error:
            kind, reason = "turns that cannot be read", str(error)
        except ContextLengthError as error:
            kind, reason = "conversations too long for the chat model", str(error)
        except (EvaluationError, VideoError) as error:
            # Masks may be read only when they are asked for.
            kind, reason = _DAMAGED, str(error)
        return _drop(kind, reason, faults, query=sample.query, is_final=kind != _DAMAGED)

    def _make_item(self, sample: TrainingSample, faults: list[Fault]) -> dict[str, Any]:
        visible = sample.visible()
        if not visible.any():
            raise _Dropped("nothing to look for", "its objects show on no frame")
        turns = self._num_looks + 1
        teacher = TeacherChat(sample, form="seg", num_looks=self._num_looks, max_turns=turns)
        chat = WritingTeacher(teacher, self._writer, seed=self._seed, max_tokens=self._max_tokens)
        chat.faults = faults
        episode = run_episode(
            sample.video,
            sample.query,
            sampler=CoarseSampler(preset="cold-start"),
            grounder=O3Grounder(chat=chat, answer="seg"),
            max_turns=turns,
            seed=self._seed,
        )
        looks = [move for move in episode.moves if isinstance(move, Look)]
        self._check(looks, chat.texts[-1], visible)
        name, names = self._write_pictures(sample)
        return {
            "dropped": "",
            "kind": "",
            "rewritten": len(faults),
            "faults": [fault.to_dict() for fault in faults],
            "item": {
                "video_name": name,
                "frames": names,
                "exp": sample.query,
                "sample_frame_indice": list(episode.selections[0].of_role("detail")),
                "cot_trace": [
                    {
                        "start_frame": look.window.start,
                        "end_frame": look.window.stop - 1,
                        "key_frame": look.keyframe,
                    }
                    for look in looks
                ],
                "round_num": len(looks),
                "conversations": _conversations(chat),
            },
            "masks": [
                [None if rle is None else rle.to_coco() for rle in track.masks]
                for track in sample.tracks().values()
            ],
        }

    def _check(self, looks: Sequence[Look], answer: str, visible: BoolArray) -> None:
        if len(looks) != self._num_looks:
            raise _Dropped(
                "turns that cannot be read",
                f"it has {len(looks)} looks instead of {self._num_looks}",
            )
        turn = parse_turn(answer, whole=Window(0, len(visible)))
        for what, keyframe in (("last look", looks[-1].keyframe), ("answer", turn.keyframe)):
            if keyframe is None or not visible[keyframe]:
                raise _Dropped(
                    "objects that show too briefly to be seen",
                    f"its objects do not show on the keyframe of the {what}, {keyframe}",
                )

    def _write_pictures(self, sample: TrainingSample) -> tuple[str, list[str]]:
        """Write all frames as pictures, unless they are there; return folder and names."""
        import cv2

        video = sample.video
        name = _picture_folder(str(sample.details.get("video", video.name)), video)
        folder = self._folder / "pictures" / name
        names = [f"{frame:05d}" for frame in range(len(video))]
        with self._pictures, writing(folder):
            make_folder(folder)
            if all((folder / f"{one}.png").exists() for one in names):
                return name, names
            for frame, image in video.iter_frames():
                is_written, data = cv2.imencode(".png", image[..., ::-1])
                if not is_written:
                    raise _Dropped(
                        "a video or its masks", f"frame {frame} cannot be written as a picture"
                    )
                partial_path = folder / f"{names[frame]}.partial"
                partial_path.write_bytes(data.tobytes())
                partial_path.replace(folder / f"{names[frame]}.png")
        return name, names


def _picture_folder(name: str, video: VideoSource) -> str:
    """Return a name that only the same frames have: samples may use parts of a video."""
    ends = [pixels_digest(video[frame]) for frame in (0, len(video) - 1)]
    facts = json.dumps([name, len(video), *ends])
    digest = hashlib.sha256(facts.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^a-zA-Z0-9_-]+', '_', name)[:80]}-{digest}"


def _conversations(chat: WritingTeacher) -> list[dict[str, str]]:
    """Return the conversation as VTS-CoT has it, with a place for the images of later turns."""
    last = chat.asked[-1]
    said = [{"from": "system", "value": _last_text(last[0])}]
    users = [message for message in last if message.role == "user"]
    for turn, (user, text) in enumerate(zip(users, chat.texts, strict=True)):
        place = "<image>" if turn else ""
        said.append({"from": "human", "value": place + _last_text(user)})
        said.append({"from": "gpt", "value": text})
    return said


def _last_text(message: Message) -> str:
    return [part.text for part in message.parts if isinstance(part, TextPart)][-1]


# -- files -----------------------------------------------------------------------------------


def _write_files(folder: Path, store: TraceStore, samples: Sequence[str]) -> TraceReport:
    """Write the files of these samples, none of which is in memory longer than it is written."""
    kept = [sample for sample in samples if not store.outcomes[sample].dropped]
    # Several queries may mean the same object.
    numbers: dict[bytes, int] = {}
    ids: list[list[int]] = []
    # The masks first: a reader of the items must find all of theirs.
    write_file(folder / "masks.json", list_masks(store, kept, numbers, ids))
    write_file(folder / "traces.json", list_items(store, kept, ids))
    outcomes = {sample: store.outcomes[sample] for sample in samples}
    dropped = {sample: one.dropped for sample, one in outcomes.items() if one.dropped}
    rewritten = sum(one.rewritten for one in outcomes.values())
    kinds = Counter(one.kind for one in outcomes.values() if one.dropped)
    page = write_trace_report(folder, outcomes, store.read)
    return TraceReport(folder, len(kept), dropped, rewritten, dict(kinds.most_common()), page)
