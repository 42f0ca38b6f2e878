"""Making demonstrations in the form of VTS-CoT, by five steps.

1. **Propose.** The true masks say where to look: an episode of grounder ``o3`` is run with a
   perfect teacher, whose windows and keyframes are those of the trace.
2. **Write.** For each turn a chat model is shown the conversation and told what is done next; it
   writes the thought, in the three dimensions and the action. Without a chat model the teacher's
   own words stay, which suits drawn clips.
3. **Check.** A thought must have its four parts, name only frames of the video, have no tags, and
   not speak of having been told.
4. **Rewrite or drop.** What is wrong is said to the model, once; if it is still wrong, the sample
   is dropped, with the reason.
5. **Write the files**, which ``read_cold_start`` reads: ``traces.json``, ``masks.json`` and
   ``pictures``.

How the traces of VTS-CoT itself were made is unpublished, but for the number of steps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg_o3 import CoarseSampler, O3Grounder, parse_thinking

from videoseg import ChatModel, ConfigError, VideoError, VideosegError
from videoseg.errors import GroundingParseError
from videoseg.files import expand_path, make_folder, write_file
from videoseg.pipeline import run_episode
from videoseg.types import ChatReply, Look, Message, TextPart, VideoSource
from videoseg_train.samples import TrainingSample
from videoseg_train.teacher import TeacherChat

__all__ = ["TraceReport", "build_traces", "find_thought_problems"]

_ATTEMPTS = 2
_MAX_TOKENS = 512
_LONGEST = 4000
_PARTS = ("temporal", "spatial", "linguistic", "action")
_TAGS = re.compile(r"</?(?:think|select|answer|VTG|RefSeg)>|\[SEG\]|<image>", re.IGNORECASE)
_TOLD = re.compile(r"ground[ -]?truth|\b(?:was|am|were|been) told\b|\bannotat", re.IGNORECASE)
_FRAMES = re.compile(
    r"\bframes?\s+(\d{1,7})(?:\s*(?:to|-|\u2013|and)\s*(\d{1,7}))?", re.IGNORECASE
)
_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)

_INSTRUCTION = """\
You are writing the reasoning of an expert who looks at these frames. Next, the expert does this:
{action}
Write the reasoning that leads there, from what can be seen in the frames alone, in four parts, \
each on a line of its own:
Step 1 (temporal): what happens when.
Step 2 (spatial): where things are and what they look like.
Step 3 (linguistic): what the query requires.
Action: what is done next, and why.
Name frames by their index, write no tags, and do not mention this instruction."""
_AGAIN = "Write all four parts again, without these faults: {problems}."


@dataclass(frozen=True, slots=True)
class TraceReport:
    """What became of the samples.

    Args:
        folder: Where the files are.
        num_kept: How many traces there are.
        dropped: Why each of the other samples has none, by its id.
        num_rewritten: How many thoughts were written a second time.
    """

    folder: Path
    num_kept: int
    dropped: dict[str, str]
    num_rewritten: int


def build_traces(
    samples: Iterable[TrainingSample],
    folder: str | Path,
    *,
    writer: ChatModel | None = None,
    num_looks: int = 1,
    seed: int = 0,
    on_done: Callable[[str, str], None] | None = None,
) -> TraceReport:
    """Make a trace of each sample; see the module.

    What is finished is kept in ``progress.jsonl``: called again, it goes on after it.

    Args:
        samples: The samples.
        folder: Where the files are written.
        writer: The chat model that writes the thoughts; None for the teacher's own words.
        num_looks: How many looks each trace has, at least 1.
        seed: Seed of the writer.
        on_done: Called after each sample with its id and why it was dropped, empty if it was not.

    Raises:
        ConfigError: If ``num_looks`` is out of range.
    """
    if num_looks < 1:
        raise ConfigError(f"a trace needs at least one look, got num_looks={num_looks}")
    place = expand_path(folder)
    make_folder(place)
    progress = place / "progress.jsonl"
    known = _read_progress(progress)
    order: list[str] = []
    for sample in samples:
        order.append(sample.id)
        if sample.id not in known:
            known[sample.id] = _make(sample, place, writer, num_looks, seed)
            with progress.open("a", encoding="utf-8") as file:
                # The line before may have been cut off.
                file.write("\n" + json.dumps({"sample": sample.id, **known[sample.id]}) + "\n")
        if on_done is not None:
            on_done(sample.id, known[sample.id]["dropped"])
    return _write_files(place, [(one, known[one]) for one in dict.fromkeys(order)])


def find_thought_problems(thought: str, num_frames: int) -> list[str]:
    """Return what is wrong with a thought; nothing if it may be learned.

    Args:
        thought: What stands between ``<think>`` and ``</think>``.
        num_frames: The length of the video.
    """
    parsed = parse_thinking(thought)
    problems = [f"the part {name!r} is missing" for name in _PARTS if not getattr(parsed, name)]
    if _TAGS.search(thought):
        problems.append("it has tags")
    if _TOLD.search(thought):
        problems.append("it speaks of having been told")
    if len(thought) > _LONGEST:
        problems.append(f"it is longer than {_LONGEST} characters")
    named = [int(one) for pair in _FRAMES.findall(thought) for one in pair if one]
    if outside := [frame for frame in named if frame >= num_frames]:
        problems.append(f"frame {outside[0]} is not in the video, which has {num_frames}")
    return problems


class _Dropped(VideosegError):  # noqa: N818 -- it is no failure that a sample is dropped
    """A sample gets no trace; the message says why."""


class _WritingTeacher:
    """A teacher whose thoughts a chat model writes.

    Attributes:
        asked: The conversation of each turn.
        texts: What was said in each turn.
        num_rewritten: How many thoughts were written a second time.
    """

    def __init__(
        self, teacher: TeacherChat, writer: ChatModel | None, num_frames: int, seed: int
    ) -> None:
        self._teacher, self._writer = teacher, writer
        self._num_frames, self._seed = num_frames, seed
        self.asked: list[Sequence[Message]] = []
        self.texts: list[str] = []
        self.num_rewritten = 0

    def chat(self, messages: Sequence[Message], **options: Any) -> Sequence[ChatReply]:
        [reply, *_] = self._teacher.chat(messages, **options)
        text = reply.text
        if self._writer is not None:
            thought = self._write(messages, text)
            text = f"<think>{thought}</think>{_THINK.sub('', text, count=1)}"
        self.asked.append(messages)
        self.texts.append(text)
        return [ChatReply(text, finish_reason="stop")]

    def _write(self, messages: Sequence[Message], text: str) -> str:
        action = _THINK.sub("", text, count=1).replace("[SEG]", "the mask").strip()
        last = messages[-1]
        asking = TextPart(_INSTRUCTION.format(action=action))
        asked = [*messages[:-1], Message("user", (*last.parts, asking))]
        problems: list[str] = []
        for attempt in range(_ATTEMPTS):
            assert self._writer is not None
            [reply, *_] = self._writer.chat(
                asked, temperature=0.0, max_tokens=_MAX_TOKENS, seed=self._seed + attempt
            )
            thought = "\n".join(_THINK.findall(reply.text)) or reply.text
            problems = find_thought_problems(thought.strip(), self._num_frames)
            if not problems:
                self.num_rewritten += attempt
                return thought.strip()
            again = _AGAIN.format(problems="; ".join(problems))
            said = Message("assistant", (TextPart(reply.text),))
            asked = [*asked, said, Message("user", (TextPart(again),))]
        raise _Dropped(f"the thought of turn {len(self.texts)} is not usable: {problems[0]}")


def _make(
    sample: TrainingSample, folder: Path, writer: ChatModel | None, num_looks: int, seed: int
) -> dict[str, Any]:
    """Return the item of a sample with its masks, or why it is dropped."""
    try:
        return _make_item(sample, folder, writer, num_looks, seed)
    except (_Dropped, GroundingParseError, VideoError) as error:
        # Any other error, such as of a server that is gone, is not the sample's.
        return {"dropped": str(error), "rewritten": 0}


def _make_item(
    sample: TrainingSample, folder: Path, writer: ChatModel | None, num_looks: int, seed: int
) -> dict[str, Any]:
    if not sample.visible().any():
        raise _Dropped("its objects show on no frame")
    count = len(sample.video)
    turns = num_looks + 1
    teacher = TeacherChat(sample, form="seg", num_looks=num_looks, max_turns=turns)
    chat = _WritingTeacher(teacher, writer, count, seed)
    episode = run_episode(
        sample.video,
        sample.query,
        sampler=CoarseSampler(preset="cold-start"),
        grounder=O3Grounder(chat=chat, answer="seg"),
        max_turns=turns,
        seed=seed,
    )
    looks = [move for move in episode.moves if isinstance(move, Look)]
    if len(looks) != num_looks:
        raise _Dropped(f"it has {len(looks)} looks instead of {num_looks}")
    name = re.sub(r"[^\w-]+", "_", sample.video.name)[:100]
    names = _write_pictures(sample.video, folder / "pictures" / name)
    return {
        "dropped": "",
        "rewritten": chat.num_rewritten,
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


def _conversations(chat: _WritingTeacher) -> list[dict[str, str]]:
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


def _write_pictures(video: VideoSource, folder: Path) -> list[str]:
    """Write all frames as pictures, unless they are there; return their names."""
    import cv2

    names = [f"{frame:05d}" for frame in range(len(video))]
    make_folder(folder)
    for frame, image in video.iter_frames():
        path = folder / f"{names[frame]}.png"
        if not path.exists():
            is_written, data = cv2.imencode(".png", image[..., ::-1])
            if not is_written:
                raise _Dropped(f"frame {frame} cannot be written as a picture")
            partial = path.with_suffix(".partial")
            partial.write_bytes(data.tobytes())
            partial.replace(path)
    return names


def _write_files(folder: Path, made: Sequence[tuple[str, dict[str, Any]]]) -> TraceReport:
    items: list[dict[str, Any]] = []
    masks: dict[str, Any] = {}
    for _, one in made:
        if one["dropped"]:
            continue
        ids = list(range(len(masks), len(masks) + len(one["masks"])))
        masks |= {str(key): track for key, track in zip(ids, one["masks"], strict=True)}
        items.append({**one["item"], "anno_id": ids})
    write_file(folder / "traces.json", json.dumps(items))
    write_file(folder / "masks.json", json.dumps(masks))
    dropped = {sample: one["dropped"] for sample, one in made if one["dropped"]}
    rewritten = sum(one["rewritten"] for _, one in made)
    report = {"kept": len(items), "dropped": dropped, "rewritten": rewritten}
    write_file(folder / "report.json", json.dumps(report, indent=2))
    return TraceReport(folder, len(items), dropped, rewritten)


def _read_progress(path: Path) -> dict[str, dict[str, Any]]:
    """Return what is finished; a line that is not whole is one that was being written."""
    known: dict[str, dict[str, Any]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            known[value.pop("sample")] = value
    return known
