"""The teacher: answers the questions of the strategies from the truth about a clip.

It can make the mistakes of real teachers, and look again as VideoSEG-O3's does.

``videoseg_train.TeacherChat`` answers the same strategies from true masks, in sentences. This one
knows where everything was drawn, without masks, and speaks the few words of the tiny model, in an
order that the model can learn: the shipped weights are made from exactly its answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from videoseg_train import TeacherFaults

from videoseg.types import ChatReply, ImagePart, Message, TextPart
from videoseg_tiny.chat import COORDINATE_SPACE
from videoseg_tiny.clips import FRAME_SIDE, ClipFacts, Question
from videoseg_tiny.footage import Footage
from videoseg_tiny.vocabulary import COLORS, PLACES

__all__ = ["Call", "Task", "Teacher", "key_word"]

Task: TypeAlias = Literal["span", "position", "ground", "look", "answer"]
"""What is asked: the two questions of ``htfs``, that of ``r1``, and the turns of ``o3``."""


_SHOWS = 0.5
"""Least share of the object for a frame to count, of what the best of the frames shows."""

_KEYS = {
    "largest": "largest",
    "smallest": "smallest",
    "place-left": "leftmost",
    "place-right": "rightmost",
    "place-top": "topmost",
    "place-bottom": "lowest",
}
_LABEL = re.compile(r"\s*<?([0-9.]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One question of a strategy, and the teacher's answer.

    Args:
        task: What is asked.
        messages: The conversation.
        text: The answer.
    """

    task: Task
    messages: tuple[Message, ...]
    text: str


def key_word(question: Question) -> str:
    """Return the word of a query that says what to look for.

    Example:
        >>> key_word(Question("the biggest object", "largest", (0,)))
        'largest'
    """
    words = question.text.lower().split()
    return _KEYS.get(question.kind) or next(word for word in words if word in COLORS)


class Teacher:
    """A chat model that knows the truth about the clip and the question at hand.

    It recognizes what is asked by the messages, and keeps every call.

    Args:
        faults: Its mistakes. Which object it takes for the right one is drawn once a question.
        wordiness: In which share of its thoughts about places it goes through the other objects
            first.
        looks_again: Whether it asks for another frame, while it has turns left, where the object
            does not show well enough on the one it looked at.
        rng: Decides about its mistakes and words.

    Attributes:
        calls: The calls since ``begin``.
        objects: The objects that it answers about: those of the question, but for its mistakes.
    """

    def __init__(
        self,
        *,
        faults: TeacherFaults | None = None,
        wordiness: float = 0.0,
        looks_again: bool = False,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._faults = faults or TeacherFaults()
        self._wordiness = wordiness
        self._looks_again = looks_again
        self._rng = rng or np.random.default_rng(0)
        self.calls: list[Call] = []
        self.objects: tuple[int, ...] = ()

    def begin(self, clip: ClipFacts, footage: Footage, question: Question) -> None:
        """Forget the calls, and answer this question from now on.

        Args:
            clip: The clip.
            footage: What is shown of it.
            question: The question.
        """
        self.calls = []
        self.clip = clip
        self.footage = footage
        self.question = question
        self.objects = self._mistake() if self._happens(self._faults.wrong_object) else ()
        self.objects = self.objects or question.objects

    def _mistake(self) -> tuple[int, ...]:
        """Return the object nearest to the right one over the clip; none if there is no other."""
        if not self.question.objects:
            return ()
        [right] = self.question.objects
        both = (self.clip.shown > 0) & (self.clip.shown[right] > 0)
        away = np.hypot(*(self.clip.points - self.clip.points[right]).transpose(2, 0, 1))
        near = np.where(both, away, np.inf).min(1)
        near[right] = np.inf
        return (int(near.argmin()),) if np.isfinite(near).any() else ()

    def _happens(self, share: float) -> bool:
        # Nothing is drawn for what never happens: a perfect teacher is the same for any rng.
        return share > 0 and bool(self._rng.random() < share)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,  # noqa: ARG002 - part of the contract
        max_tokens: int = 1024,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
    ) -> Sequence[ChatReply]:
        """Answer from the truth; see ``videoseg.ChatModel.chat``."""
        task = _find_task(messages)
        text = self._say(task, messages)
        self.calls.append(Call(task, tuple(messages), text))
        images = [part for message in messages for part in message.parts]
        sizes = tuple((1, 1) for part in images if isinstance(part, ImagePart))
        reply = ChatReply(
            text, image_sizes=sizes, coordinate_space=COORDINATE_SPACE, finish_reason="stop"
        )
        return [reply] * num_samples

    def _say(self, task: Task, messages: Sequence[Message]) -> str:
        shown = _list_shown(messages[-1])
        if task == "answer" and self._looks_again and not _is_last_turn(messages):
            [overview] = [_list_shown(one)[:-1] for one in messages[1:2]]
            if self._share(shown[-1][1]) < _SHOWS * max(self._share(at) for _, at in overview):
                return self._choose_frame("look again", overview)
        if task in ("ground", "answer"):
            return self._locate(task, shown[-1][1], messages)
        # The last of an overview's groups shows one frame larger, which is among them already.
        return self._choose_frame(task, shown[:-1] if task == "look" else shown)

    def _choose_frame(
        self, task: Task | Literal["look again"], shown: Sequence[tuple[str, int]]
    ) -> str:
        shares = [self._share(frame) for _, frame in shown]
        least = max(_SHOWS * max(shares), 1e-6)
        hits = [label for (label, _), share in zip(shown, shares, strict=True) if share >= least]
        when = "".join(
            f" {label} {'target' if share >= least else 'nothing'}"
            for (label, _), share in zip(shown, shares, strict=True)
        )
        labels = hits or [label for label, _ in shown]
        best = labels[len(labels) // 2]
        if task in ("look", "position") and self._happens(self._faults.random_keyframe):
            best = shown[int(self._rng.integers(len(shown)))][0]
        if task == "position":
            return f'<think> when:{when}.</think>{{"percent": {best}}}'
        if task == "span":
            span = f'{{"start": {labels[0]},"end": {labels[-1]}}}'
            return f"<think> when:{when}.</think>{span}"
        key = key_word(self.question)
        action = "select" if hits else "answer"
        seen = f"when:{when}" if task == "look" else "where: nothing"
        thought = f"<think> words: {key}. {seen}. action: {action}.</think>"
        if not hits:
            return f'{thought}<answer>{{"objects":[]}}</answer>'
        frames = f'{{"start": {labels[0]},"end": {labels[-1]},"keyframe": {best}}}'
        return f"{thought}<select>{frames}</select>"

    def _locate(self, task: Task, frame: int, messages: Sequence[Message]) -> str:
        key = key_word(self.question)
        time = self.footage.drawn(frame)
        looked = _last_select(messages) if task == "answer" else ""
        if not self.objects or self._share(frame) <= 0:
            if task == "ground":
                return f"<think> nothing {key}.</think><answer>[]</answer>"
            thought = f"<think> words: {key}. where: nothing.</think>"
            return f'{thought}<answer>{{"objects":[]}}</answer>'
        [index] = self.objects
        box = self._box(index, time)
        point = np.rint(self.clip.points[index, time]).astype(int)
        negative = np.rint(self._negative(index, time)).astype(int)
        where = self._place(index, time)
        places = (
            f'"bbox_2d":[{_join(box)}],"point_2d":[{_join(point)}],'
            f'"neg_point_2d":[{_join(negative)}]'
        )
        others = self._describe_others(index, time)
        if task == "ground":
            return f"<think>{others} {key} {where}.</think><answer>[{{{places}}}]</answer>"
        thought = f"<think> words: {key}.{others} where: {where}.</think>"
        return f'{thought}<answer>{{{looked},"objects":[{{{places}}}]}}</answer>'

    def _share(self, frame: int) -> float:
        """Return which share of the object shows on a frame."""
        if not self.objects:
            return 0.0
        [index] = self.objects
        return float(self.clip.shown[index, self.footage.drawn(frame)])

    def _negative(self, index: int, time: int) -> np.ndarray:
        """Return a point on the nearest other object, or beside the object."""
        here = self.clip.points[index, time]
        others = [
            other
            for other in range(len(self.clip.colors))
            if other != index and self.clip.shown[other, time] > 0
        ]
        if others:
            points = self.clip.points[others, time]
            return np.asarray(points[np.hypot(*(points - here).T).argmin()])
        left, top, right, bottom = self.clip.boxes[index, time]
        x = right + 5 if FRAME_SIDE - right > left else left - 5
        return np.asarray(np.clip([x, (top + bottom) / 2], 0, FRAME_SIDE))

    def _box(self, index: int, time: int) -> np.ndarray:
        box = self.clip.boxes[index, time]
        if self._faults.box_spread:
            spread = np.abs(self._rng.normal(0, self._faults.box_spread * FRAME_SIDE, 4))
            box = np.clip(box + spread * [-1, -1, 1, 1], 0, FRAME_SIDE)
        return np.asarray(np.rint(box), int)

    def _place(self, index: int, time: int) -> str:
        """Return in which part of the frame an object is, in words."""
        left, top, right, bottom = np.rint(self.clip.boxes[index, time])
        column = PLACES[min(2, int(3 * (left + right) / 2 / FRAME_SIDE))]
        row = PLACES[3:][min(2, int(3 * (top + bottom) / 2 / FRAME_SIDE))]
        return f"{column} {row}"

    def _describe_others(self, index: int, time: int) -> str:
        """Return sentences about the other objects from left to right, if it is wordy now."""
        if not self._happens(self._wordiness):
            return ""
        others = [
            other
            for other in np.argsort(self.clip.points[:, time, 0]).tolist()
            if other != index and self.clip.shown[other, time] > 0
        ]
        return "".join(
            f" {self.clip.colors[other]} is at {self._place(other, time)}." for other in others
        )


def _join(numbers: np.ndarray) -> str:
    return ",".join(f" {max(0, int(number))}" for number in numbers)


def _find_task(messages: Sequence[Message]) -> Task:
    if messages[0].role == "system":
        return "answer" if len(messages) > 3 else "look"
    first = messages[0].parts[0]
    word = first.text.split()[0] if isinstance(first, TextPart) else ""
    tasks: dict[str, Task] = {"when": "span", "which": "position", "find": "ground"}
    return tasks[word]


def _is_last_turn(messages: Sequence[Message]) -> bool:
    """Return whether the grounder says so, in the words of its prompt."""
    return any(
        isinstance(part, TextPart) and part.text.strip() in ("last", "answer")
        for part in messages[-1].parts
    )


def _list_shown(message: Message) -> list[tuple[str, int]]:
    """Return the label and the frame of each image of a message."""
    shown = []
    label = ""
    for part in message.parts:
        if isinstance(part, ImagePart):
            shown.append((label, part.frame if part.frame is not None else -1))
        elif found := _LABEL.match(part.text):
            label = found[1]
    return shown


def _last_select(messages: Sequence[Message]) -> str:
    said = messages[-2].parts[0]
    text = said.text if isinstance(said, TextPart) else ""
    return text[text.rindex("{") + 1 : text.rindex("}")]
