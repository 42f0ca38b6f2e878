"""The thoughts of a trace: a chat model writes them, they are checked, and written again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from videoseg_o3 import parse_thinking

from videoseg import ChatModel, VideosegError
from videoseg.types import BoolArray, ChatReply, Message, TextPart
from videoseg_train.teacher import TeacherChat

__all__ = ["Fault", "UnusableThoughtError", "WritingTeacher", "find_thought_problems"]

_ATTEMPTS = 2
_LONGEST = 4000
_MOST_KEPT = 2000
"""Characters of a faulty thought that a report keeps."""
_PARTS = ("temporal", "spatial", "linguistic", "action")
_TAGS = re.compile(r"</?(?:think|select|answer|VTG|RefSeg)>|\[SEG\]|<image>", re.IGNORECASE)
_TOLD = re.compile(r"ground[ -]?truth|\b(?:was|am|were|been) told\b|\bannotat", re.IGNORECASE)
_TO = r"\s*(?:to|-|\u2013|through|thru|until|till|up\s+to)\s*(?:frame\s+)?"
_RANGE = rf"\d{{1,7}}(?:{_TO}\d{{1,7}})?"
_MENTION = re.compile(
    # Where something begins or ends, unless a range follows; "between" makes one of "and".
    r"(?:\b(?P<open>from|starting\s+(?:at|in|with)|by|until|till|up\s+to)\s+)?"
    r"(?:\b(?P<between>between)\s+)?"
    rf"\b(?:frames\s+(?P<many>{_RANGE}(?:\s*,\s*{_RANGE})*(?:\s*,?\s*\b(?:and|or)\s+{_RANGE})*)"
    rf"|frame\s+(?P<one>{_RANGE}(?:\s+and\s+(?:frame\s+)?{_RANGE})?))",
    re.IGNORECASE,
)
_ITEM = re.compile(rf"(\d{{1,7}})(?:{_TO}(\d{{1,7}}))?", re.IGNORECASE)
_STATEMENT = re.compile(r"[.;!?\n]+")
_OPEN = re.compile(
    r"\b(?:after|before|since|onwards?|beyond|later than"
    r"|(?:until|till|to|through)\s+(?:the|its)\s+(?:very\s+)?(?:end|last))\b",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    r"\b(?:empty|no|none|nothing|nowhere|not|cannot|never|neither|nor|without|absent|absence"
    r"|leaves?|leaving|has left|gone|disappear\w*|vanish\w*|missing|exits?|exited|hidden|occluded"
    r"|invisible|unseen|out of (?:view|sight|frame|the (?:view|picture|frame|image)))\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
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
class Fault:
    """A thought that could not be used.

    Args:
        turn: In which turn it was written, counted from 0.
        text: What the chat model said, cut off where it is long.
        problems: What is wrong with it.
    """

    turn: int
    text: str
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"turn": self.turn, "text": self.text, "problems": list(self.problems)}


class UnusableThoughtError(VideosegError):
    """A thought was still wrong when it was written again; the message says how."""


def find_thought_problems(
    thought: str, num_frames: int, *, visible: BoolArray | None = None
) -> list[str]:
    """Return what is wrong with a thought; nothing if it may be learned.

    Args:
        thought: What stands between ``<think>`` and ``</think>``.
        num_frames: The length of the video.
        visible: On which frames the true objects show, shape (T,): if its temporal part names
            frames where they show, they must show on some of these. Statements with an open end,
            such as "after frame 8", and those that deny something are not compared.
    """
    parsed = parse_thinking(thought)
    problems = [f"the part {name!r} is missing" for name in _PARTS if not getattr(parsed, name)]
    if _TAGS.search(thought):
        problems.append("it has tags")
    if _TOLD.search(thought):
        problems.append("it speaks of having been told")
    if len(thought) > _LONGEST:
        problems.append(f"it is longer than {_LONGEST} characters")
    mentions = _MENTION.finditer(thought)
    named = [frame for one in mentions for pair in _list_ranges(one) for frame in pair]
    if outside := [frame for frame in named if frame >= num_frames]:
        problems.append(f"frame {outside[0]} is not in the video, which has {num_frames}")
    elif visible is not None:
        ranges = _list_shown(parsed.temporal)
        if ranges and not any(visible[min(one) : max(one) + 1].any() for one in ranges):
            problems.append("its temporal part names only frames where the objects do not show")
    return problems


def _list_ranges(mention: re.Match[str]) -> list[tuple[int, int]]:
    """Return first and last frame of each range of a mention; a single frame is both."""
    text = mention["many"] or mention["one"]
    ranges = [(int(first), int(last or first)) for first, last in _ITEM.findall(text)]
    if mention["between"]:
        return [(ranges[0][0], ranges[-1][1])]
    return ranges


def _list_shown(text: str) -> list[tuple[int, int]]:
    """Return the ranges of frames of which a text says that something shows there."""
    found: list[tuple[int, int]] = []
    for statement in _STATEMENT.split(text):
        if _OPEN.search(statement) or _NEGATIVE.search(statement):
            continue
        for mention in _MENTION.finditer(statement):
            ranges = _list_ranges(mention)
            if mention["open"] and all(first == last for first, last in ranges):
                continue
            found += ranges
    return found


class WritingTeacher:
    """A teacher whose thoughts a chat model writes.

    Args:
        teacher: The teacher.
        writer: The chat model; None for the teacher's own words.
        seed: Its seed.
        max_tokens: Upper bound on the tokens of a thought.

    Attributes:
        asked: The conversation of each turn.
        texts: What was said in each turn.
        faults: The thoughts that could not be used.
    """

    def __init__(
        self, teacher: TeacherChat, writer: ChatModel | None, *, seed: int, max_tokens: int
    ) -> None:
        self._teacher, self._writer = teacher, writer
        self._seed, self._max_tokens = seed, max_tokens
        self._visible = teacher.sample.visible()
        self.asked: list[Sequence[Message]] = []
        self.texts: list[str] = []
        self.faults: list[Fault] = []

    def chat(self, messages: Sequence[Message], **options: Any) -> Sequence[ChatReply]:
        """Answer as the teacher, with a thought of the writer; see ``ChatModel.chat``.

        Raises:
            UnusableThoughtError: If the writer's thought is still wrong the second time.
        """
        [reply, *_] = self._teacher.chat(messages, **options)
        text = reply.text
        if self._writer is not None:
            thought = self._write(self._writer, messages, text)
            text = f"<think>{thought}</think>{_THINK.sub('', text, count=1)}"
        self.asked.append(messages)
        self.texts.append(text)
        return [ChatReply(text, finish_reason="stop")]

    def _write(self, writer: ChatModel, messages: Sequence[Message], text: str) -> str:
        action = _THINK.sub("", text, count=1).replace("[SEG]", "the mask").strip()
        last = messages[-1]
        asking = TextPart(_INSTRUCTION.format(action=action))
        asked = [*messages[:-1], Message("user", (*last.parts, asking))]
        problems: list[str] = []
        for attempt in range(_ATTEMPTS):
            [reply, *_] = writer.chat(
                asked, temperature=0.0, max_tokens=self._max_tokens, seed=self._seed + attempt
            )
            thought, problems = self._judge(reply)
            if not problems:
                return thought
            said = reply.text or reply.refusal or "(nothing)"
            self.faults.append(Fault(len(self.texts), said[:_MOST_KEPT], tuple(problems)))
            again = _AGAIN.format(problems="; ".join(problems))
            asked = [
                *asked,
                Message("assistant", (TextPart(said),)),
                Message("user", (TextPart(again),)),
            ]
        raise UnusableThoughtError(
            f"the thought of turn {len(self.texts)} is not usable: {problems[0]}"
        )

    def _judge(self, reply: ChatReply) -> tuple[str, list[str]]:
        """Return the thought of a reply and what is wrong with it."""
        if reply.refusal:
            return "", [f"it was refused: {reply.refusal}"]
        # Some models put their thought between the tags; others think of their own there, and
        # write what they were asked for behind.
        found = ("\n".join(_THINK.findall(reply.text)), _THINK.sub("", reply.text))
        thoughts = [one.strip() for one in found if one.strip()] or [""]
        judged = [
            (one, find_thought_problems(one, len(self._visible), visible=self._visible))
            for one in thoughts
        ]
        thought, problems = min(judged, key=lambda pair: len(pair[1]))
        if problems and reply.finish_reason == "length":
            problems = [f"it was cut off after {self._max_tokens} tokens", *problems]
        return thought, problems
