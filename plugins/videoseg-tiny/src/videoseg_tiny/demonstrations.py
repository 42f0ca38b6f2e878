"""Demonstrations: the strategies' own conversations on training clips, with a teacher's answers.

The samplers and grounders of the shipped pipelines run on a clip as they do in use, with the
teacher as their chat model; what they ask and what it answers is what the model is trained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from videoseg_o3 import CoarseSampler, O3Grounder
from videoseg_r1.grounder import ReasoningGrounder
from videoseg_r1.samplers import HierarchicalSampler

from videoseg.errors import VideosegError
from videoseg.pipeline import run_episode
from videoseg.types import FrameGroup, FrameSelection, ImagePart, Message, Window
from videoseg_tiny.clips import FRAME_SIDE, NUM_FRAMES, PATCH, ClipFacts, Question, small_size
from videoseg_tiny.footage import Footage
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_r1_tiny
from videoseg_tiny.teacher import Call, Task, Teacher
from videoseg_tiny.vocabulary import CHAT_TEMPLATE

__all__ = [
    "Demonstration",
    "Demonstrator",
    "Shown",
    "Strategy",
    "conversation_tokens",
    "load_demonstrations",
    "make_demonstrations",
    "save_demonstrations",
]

Strategy: TypeAlias = Literal["r1", "o3", "ground"]
"""Pipelines; ``ground`` for the grounder of ``r1`` behind a sampler that draws the frame."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An image of a demonstration.

    Args:
        frame: The frame of the clip.
        is_small: Whether it is shown small.
    """

    frame: int
    is_small: bool


@dataclass(frozen=True, slots=True, eq=False)
class Demonstration:
    """A conversation with its answers as tokens.

    Args:
        task: What is asked last.
        tokens: The L tokens; the placeholder of an image stands there as often as it has tokens.
        own: Which of them the model is to write, shape (L,).
        images: Its images, in order.
        objects: Indices of the objects that the question means, also where the teacher is wrong.
        kind: The kind of the question.
    """

    task: Task
    tokens: np.ndarray
    own: np.ndarray
    images: tuple[Shown, ...]
    objects: tuple[int, ...]
    kind: str


class Demonstrator:
    """Runs the strategies with a teacher.

    Args:
        processor: The processor of the model.
        rng: Decides about the length and speed of the videos, and draws frames.
        teacher: Who answers; by default one that makes no mistakes.
        max_turns: Turns of the episodes of ``o3``; by default those of its pipeline.
    """

    def __init__(
        self,
        processor: Any,
        rng: np.random.Generator,
        *,
        teacher: Teacher | None = None,
        max_turns: int | None = None,
    ) -> None:
        self._tokenizer = processor.tokenizer
        self._end = int(self._tokenizer.convert_tokens_to_ids("<|im_end|>"))
        self._rng = rng
        self._teacher = teacher or Teacher()
        looking, reasoning = videoseg_o3_tiny(), videoseg_r1_tiny()
        options = reasoning["sampler"]["options"]
        grounder = ReasoningGrounder(chat=self._teacher, **reasoning["grounder"]["options"])
        drawing = _RandomSampler(options["detail_pixels"], options["target_pixels"], rng)
        self._stages: dict[Strategy, tuple[Any, Any, int]] = {
            "r1": (HierarchicalSampler(chat=self._teacher, **options), grounder, 1),
            "ground": (drawing, grounder, 1),
            "o3": (
                CoarseSampler(**looking["sampler"]["options"]),
                O3Grounder(chat=self._teacher, **looking["grounder"]["options"]),
                max_turns or looking["max_turns"],
            ),
        }

    def demonstrate(
        self, clip: ClipFacts, question: Question, strategy: Strategy
    ) -> Iterator[Demonstration]:
        """Yield what a strategy asks about a question, with the teacher's answers.

        An ``o3`` episode is one demonstration with all its turns; of ``r1`` there is one for
        each call.
        """
        rng = self._rng
        count = NUM_FRAMES if rng.random() < 0.4 else int(rng.integers(NUM_FRAMES, 102))
        fps = 12.0 if rng.random() < 0.4 else float(rng.uniform(6, 30))
        footage = Footage(clip.size, count, NUM_FRAMES, fps)
        self._teacher.begin(clip, footage, question)
        sampler, grounder, max_turns = self._stages[strategy]
        video: Any = footage
        run_episode(video, question.text, sampler=sampler, grounder=grounder, max_turns=max_turns)
        calls = self._teacher.calls
        for episode in [calls] if strategy == "o3" else [[call] for call in calls]:
            tokens, own = self._join(episode)
            pictures = [
                part
                for message in episode[-1].messages
                for part in message.parts
                if isinstance(part, ImagePart)
            ]
            images = tuple(
                Shown(footage.drawn(part.frame or 0), not _is_stretched(part)) for part in pictures
            )
            yield Demonstration(
                episode[-1].task,
                tokens,
                own,
                images,
                question.objects,
                question.kind,
            )

    def _join(self, calls: Sequence[Call]) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens of the last call's conversation and answer, and which are answers."""
        tokens = conversation_tokens(self._tokenizer, calls[-1].messages)
        spans = []
        for call in calls:
            answer = [*self._tokenizer(call.text).input_ids, self._end]
            if call is calls[-1]:
                start = len(tokens)
                tokens = [*tokens, *answer]
            else:
                start = len(conversation_tokens(self._tokenizer, call.messages))
            spans.append((start, answer))
        own = np.zeros(len(tokens), bool)
        for start, answer in spans:
            if tokens[start : start + len(answer)] != answer:
                raise VideosegError(
                    "the answer of an earlier turn has other tokens in a later one"
                )
            own[start : start + len(answer)] = True
        return np.array(tokens, np.int16), own


@dataclass(frozen=True, slots=True)
class _RandomSampler:
    """Shows a small frame and a target frame, both drawn at random."""

    detail_pixels: int
    target_pixels: int
    rng: Any

    def sample(
        self,
        video: Any,
        query: str,  # noqa: ARG002 - part of the contract
        *,
        window: Window,
        keyframe: int | None = None,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
    ) -> FrameSelection:
        first, target = self.rng.integers(len(video), size=2).tolist()
        groups = [FrameGroup("detail", (first,), max_pixels=self.detail_pixels)]
        keyframes = FrameGroup("keyframe", (target,), max_pixels=self.target_pixels)
        return FrameSelection((*(groups if first != target else ()), keyframes), window)


def conversation_tokens(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the tokens of a conversation, up to where the model's answer begins.

    The same as those of the chat model, whose processor also makes the images.
    """
    text = _template().render(
        messages=[
            {
                "role": message.role,
                "content": [
                    {"type": "image"}
                    if isinstance(part, ImagePart)
                    else {"type": "text", "text": part.text}
                    for part in message.parts
                ],
            }
            for message in messages
        ],
        add_generation_prompt=True,
    )
    placeholder = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    counts = (
        _num_tokens(part)
        for message in messages
        for part in message.parts
        if isinstance(part, ImagePart)
    )
    tokens: list[int] = []
    for token in tokenizer(text).input_ids:
        tokens += [token] * (next(counts) if token == placeholder else 1)
    return tokens


def _is_stretched(part: ImagePart) -> bool:
    return part.max_pixels is None or part.max_pixels >= FRAME_SIDE * FRAME_SIDE


def _num_tokens(part: ImagePart) -> int:
    if _is_stretched(part):
        return (FRAME_SIDE // PATCH) ** 2
    height, width = small_size((part.image.shape[0], part.image.shape[1]))
    return (height // PATCH) * (width // PATCH)


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment

    # The processor of the model is checked to fill it in the same way.
    return Environment(trim_blocks=True, lstrip_blocks=True).from_string(CHAT_TEMPLATE)


# -- sets ------------------------------------------------------------------------------------

_SHARES: dict[Strategy, float] = {"ground": 1.0, "r1": 0.2, "o3": 0.3}
"""Which share of the questions each strategy is demonstrated on..."""
_SHARES_OF_HIDDEN: dict[Strategy, float] = {"ground": 1.0, "r1": 0.7, "o3": 1.0}
"""... and of those about objects that do not show all the time."""


_HIDDEN = 0.5
_HIDDEN_OFTEN = 0.2


def make_demonstrations(
    processor: Any,
    clips: Sequence[ClipFacts],
    *,
    seed: int,
    new_teacher: Callable[[np.random.Generator], Teacher] | None = None,
    max_turns: int | None = None,
) -> Iterator[tuple[int, Demonstration]]:
    """Yield the index of a clip and a demonstration on it, for every clip in turn.

    Args:
        processor: The processor of the model.
        clips: The clips.
        seed: Which questions are demonstrated, on which frames.
        new_teacher: Makes the teacher of a clip; by default one that makes no mistakes.
        max_turns: See ``Demonstrator``.
    """
    for index, clip in enumerate(clips):
        # Drawn for each clip alone, so that the first clips of a longer list are shown the same.
        rng = np.random.default_rng([seed, clip.seed])
        teacher = None
        if new_teacher is not None:
            teacher = new_teacher(np.random.default_rng([seed, clip.seed, 1]))
        demonstrator = Demonstrator(processor, rng, teacher=teacher, max_turns=max_turns)
        for question in clip.questions:
            shown = clip.shown[list(question.objects)].min(0, initial=1.0)
            hidden = (shown < _HIDDEN).mean() >= _HIDDEN_OFTEN
            for strategy, share in (_SHARES_OF_HIDDEN if hidden else _SHARES).items():
                if rng.random() < share:
                    made = demonstrator.demonstrate(clip, question, strategy)
                    yield from ((index, one) for one in made)


def save_demonstrations(path: Path, made: Sequence[tuple[int, Demonstration]]) -> None:
    """Write demonstrations, with the index of the clip of each, to a file."""
    facts = [
        [clip, one.task, [[s.frame, s.is_small] for s in one.images], one.objects, one.kind]
        for clip, one in made
    ]
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(
            file,
            lengths=np.array([len(one.tokens) for _, one in made]),
            tokens=np.concatenate([one.tokens for _, one in made]),
            own=np.concatenate([one.own for _, one in made]),
            facts=np.array(json.dumps(facts)),
        )
    temporary.replace(path)


def load_demonstrations(path: Path) -> list[tuple[int, Demonstration]]:
    """Read what ``save_demonstrations`` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        ends = np.cumsum(arrays["lengths"])[:-1]
        tokens, own = np.split(arrays["tokens"], ends), np.split(arrays["own"], ends)
        facts = json.loads(str(arrays["facts"]))
    return [
        (
            clip,
            Demonstration(
                task,
                tokens[index],
                own[index],
                tuple(Shown(frame, is_small) for frame, is_small in images),
                tuple(objects),
                kind,
            ),
        )
        for index, (clip, task, images, objects, kind) in enumerate(facts)
    ]
