"""Demonstrations for the ``[SEG]`` model: grounder ``o3`` asks, a teacher answers with ``[SEG]``.

The conversations are those of the pipeline ``videoseg-o3-tiny-seg``. Each turn's answer names
frames and has a ``[SEG]``, in the form of VideoSEG-O3; an answer that nothing fits has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from videoseg_o3 import CoarseSampler, O3Grounder, PromptReader

from videoseg.errors import VideosegError
from videoseg.pipeline import run_episode
from videoseg.types import ChatReply, ImagePart, Message, TextPart
from videoseg_tiny.clips import FRAME_SIDE, NUM_FRAMES, ClipFacts, Question
from videoseg_tiny.demonstrations import Demonstration, Shown
from videoseg_tiny.footage import Footage
from videoseg_tiny.plugin import videoseg_o3_tiny_seg
from videoseg_tiny.seg_clips import SegClip
from videoseg_tiny.teacher import Call, key_word
from videoseg_tiny.vocabulary import PLACES

__all__ = ["SegTeacher", "make_seg_demonstrations"]

_SHOWS = 0.5
"""Least share of the object for a frame to count, of what the best of the frames shows."""
_HIDDEN, _HIDDEN_OFTEN = 0.5, 0.2
_SHARE = 0.6
"""Share of the questions that are demonstrated; of those about objects that are often hidden, and
about nothing, see ``make_seg_demonstrations``."""
_LABEL = re.compile(r"\s*([0-9]+)")


class SegTeacher:
    """A chat model that knows the truth about the clip and the question at hand."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def begin(self, clip: ClipFacts, footage: Footage, question: Question) -> None:
        """Forget the calls, and answer this question from now on; see ``Teacher.begin``."""
        self.calls = []
        self.clip, self.footage, self.question = clip, footage, question

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
        has_looked = any(message.role == "assistant" for message in messages)
        text = self._answer(messages) if has_looked else self._look(messages[-1])
        self.calls.append(Call("answer" if has_looked else "look", tuple(messages), text))
        return [ChatReply(text, finish_reason="stop")] * num_samples

    def _look(self, message: Message) -> str:
        shown = _list_overview(message)
        shares = [self._share(frame) for frame in shown]
        least = max(_SHOWS * max(shares), 1e-6)
        hits = [frame for frame, share in zip(shown, shares, strict=True) if share >= least]
        when = "".join(
            f" {frame} {'target' if share >= least else 'nothing'}"
            for frame, share in zip(shown, shares, strict=True)
        )
        thought = f" words: {key_word(self.question)}. when:{when}. action:"
        if not hits:
            return f'<think>{thought} answer.</think><answer>{{"objects":[]}}</answer>'
        frames = _write_frames(hits[0], hits[-1], hits[len(hits) // 2])
        return f"<think>{thought} select.</think><select>{frames}</select>"

    def _answer(self, messages: Sequence[Message]) -> str:
        said = messages[-2].parts[0]
        assert isinstance(said, TextPart)
        looked = said.text[said.text.index("<VTG>") : said.text.index("</select>")]
        [keyframe] = [
            part.frame
            for part in messages[-1].parts[-3:]
            if isinstance(part, ImagePart) and part.frame is not None
        ]
        [index] = self.question.objects
        box = self.clip.boxes[index, self.footage.drawn(keyframe)]
        across, down = (box[:2] + box[2:]) / 2
        column = PLACES[min(2, int(3 * across / FRAME_SIDE))]
        row = PLACES[3:][min(2, int(3 * down / FRAME_SIDE))]
        # The color first: by it the object is found on the other frames.
        where = f"{self.clip.colors[index]} {column} {row}"
        thought = f" words: {key_word(self.question)}. where: {where}."
        return f"<think>{thought}</think><answer>{looked}</answer>"

    def _share(self, frame: int) -> float:
        if not self.question.objects:
            return 0.0
        [index] = self.question.objects
        return float(self.clip.shown[index, self.footage.drawn(frame)])


def make_seg_demonstrations(
    processor: Any, clips: Sequence[SegClip], *, seed: int
) -> Iterator[tuple[SegClip, Demonstration]]:
    """Yield demonstrations on every clip in turn.

    Args:
        processor: The processor of the ``[SEG]`` model.
        clips: The clips.
        seed: Decides about the length and speed of the videos, and which questions are asked.
    """
    demonstrator = _SegDemonstrator(processor)
    for clip in clips:
        rng = np.random.default_rng([seed, clip.facts.seed])
        for question in clip.facts.questions:
            shown = clip.facts.shown[list(question.objects)].min(0, initial=1.0)
            is_hidden = (shown < _HIDDEN).mean() >= _HIDDEN_OFTEN
            share = _SHARE if question.objects else _SHARE / 2
            if rng.random() < (1.0 if is_hidden else share):
                yield clip, demonstrator.demonstrate(clip.facts, question, rng)


class _SegDemonstrator:
    """Runs the pipeline's sampler and grounder with the teacher."""

    def __init__(self, processor: Any) -> None:
        self._reader = PromptReader(processor, preprocessing="direct")
        self._tokenizer = processor.tokenizer
        self._end = int(self._tokenizer.convert_tokens_to_ids("<|im_end|>"))
        self._teacher = SegTeacher()
        pipeline = videoseg_o3_tiny_seg()
        self._sampler = CoarseSampler(**pipeline["sampler"]["options"])
        self._grounder = O3Grounder(chat=self._teacher, **pipeline["grounder"]["options"])
        self._max_turns = pipeline["max_turns"]

    def demonstrate(
        self, clip: ClipFacts, question: Question, rng: np.random.Generator
    ) -> Demonstration:
        """Return an episode."""
        count = NUM_FRAMES if rng.random() < 0.4 else int(rng.integers(NUM_FRAMES, 102))
        footage = Footage(clip.size, count, NUM_FRAMES, 12.0)
        self._teacher.begin(clip, footage, question)
        video: Any = footage
        run_episode(
            video,
            question.text,
            sampler=self._sampler,
            grounder=self._grounder,
            max_turns=self._max_turns,
        )
        calls = self._teacher.calls
        tokens, own = self._join(calls)
        images = tuple(
            Shown(footage.drawn(part.frame or 0), (part.max_pixels or 0) < FRAME_SIDE * FRAME_SIDE)
            for message in calls[-1].messages
            for part in message.parts
            if isinstance(part, ImagePart)
        )
        return Demonstration(calls[-1].task, tokens, own, images, question.objects, question.kind)

    def _join(self, calls: Sequence[Call]) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens of the last call's conversation and answer, and which are answers."""
        starts = [len(self._reader.read(call.messages).tokens) for call in calls[:-1]]
        tokens = list(self._reader.read(calls[-1].messages).tokens)
        starts.append(len(tokens))
        answers = [[*self._tokenizer(call.text).input_ids, self._end] for call in calls]
        tokens += answers[-1]
        own = np.zeros(len(tokens), bool)
        for start, answer in zip(starts, answers, strict=True):
            if tokens[start : start + len(answer)] != answer:
                raise VideosegError(
                    "the answer of an earlier turn has other tokens in a later one"
                )
            own[start : start + len(answer)] = True
        return np.array(tokens, np.int16), own


def _write_frames(first: int, last: int, keyframe: int) -> str:
    frames = f'{{"start": {first},"end": {last},"keyframe": {keyframe}}}'
    return f"<VTG>{frames}</VTG><RefSeg>[SEG]</RefSeg>"


def _list_overview(message: Message) -> list[int]:
    """Return the labels of the small frames of a first view, not of those shown again behind."""
    shown: list[int] = []
    label = -1
    for part in message.parts:
        if isinstance(part, ImagePart):
            shown.append(label)
        elif found := _LABEL.match(part.text):
            label = int(found[1])
        elif shown:
            break
    return shown
