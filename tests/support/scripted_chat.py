"""Chat models that say what a test tells them to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from videoseg_synthetic import SyntheticClip, SyntheticQuery

from videoseg.types import ChatReply, ImagePart, Message, TextPart


@dataclass
class Exchange:
    """One call: what was shown and said, and how many answers were asked for."""

    messages: Sequence[Message]
    num_samples: int
    temperature: float
    max_tokens: int
    seed: int

    @property
    def images(self) -> list[ImagePart]:
        return [p for m in self.messages for p in m.parts if isinstance(p, ImagePart)]

    @property
    def frames(self) -> list[int | None]:
        return [image.frame for image in self.images]

    @property
    def texts(self) -> list[str]:
        return [p.text for m in self.messages for p in m.parts if isinstance(p, TextPart)]


@dataclass
class ScriptedChat:
    """Answers with what a function returns for (call, number of the answer).

    A function that returns a ``ChatReply`` may set its embeddings, refusal and finish reason.
    """

    answer: Callable[[Exchange, int], str | ChatReply]
    coordinate_space: str | None = "per_mille"
    calls: list[Exchange] = field(default_factory=list)

    @staticmethod
    def saying(*answers: str | ChatReply | Sequence[str | ChatReply]) -> ScriptedChat:
        """Return a model that gives these answers, one entry for each call, the last for ever."""
        calls: list[Exchange] = []

        def answer(exchange: Exchange, number: int) -> str | ChatReply:
            given = answers[min(len(calls), len(answers)) - 1]
            return given if isinstance(given, str | ChatReply) else given[number % len(given)]

        return ScriptedChat(answer, calls=calls)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> list[ChatReply]:
        exchange = Exchange(messages, num_samples, temperature, max_tokens, seed)
        self.calls.append(exchange)
        sizes = tuple(image.image.shape[:2] for image in exchange.images)
        answers = [self.answer(exchange, number) for number in range(num_samples)]
        replies = [ChatReply(one) if isinstance(one, str) else one for one in answers]
        return [
            replace(
                reply,
                num_tokens=len(reply.text.split())
                if reply.num_tokens is None
                else reply.num_tokens,
                image_sizes=sizes,
                coordinate_space=self.coordinate_space,
            )
            for reply in replies
        ]


def knowing(clip: SyntheticClip, query: SyntheticQuery) -> ScriptedChat:
    """Return a model that answers the questions of the R1 strategy rightly, from the masks."""
    visible = clip.answer_masks(query).any(axis=(1, 2))
    areas = clip.answer_masks(query).sum(axis=(1, 2))

    def answer(exchange: Exchange, number: int) -> str:
        question = exchange.texts[-1]
        frames = [frame for frame in exchange.frames if frame is not None]
        if '"start"' in question:
            seen = np.flatnonzero(visible[frames[0] : frames[-1] + 1])
            start, end = (seen[0], seen[-1]) if len(seen) else (0, frames[-1] - frames[0])
            return json.dumps({"start": start / clip.fps, "end": end / clip.fps})
        if '"percent"' in question:
            part = areas[frames[0] : frames[-1] + 1]
            return json.dumps({"percent": round(100 * int(part.argmax()) / max(1, len(part)))})
        found = describe_objects(clip, query, frames[-1])
        return f"<think>{query.text} is known.</think><answer>{json.dumps(found)}</answer>"

    return ScriptedChat(answer)


def knowing_o3(clip: SyntheticClip, query: SyntheticQuery, *, looks: int = 1) -> ScriptedChat:
    """Return a model that speaks the O3 protocol and knows the clip.

    It looks at the frames in which the objects are visible, as often as told, and then answers
    on the frame that it was shown in which they are largest.
    """
    areas = clip.answer_masks(query).sum(axis=(1, 2))

    def answer(exchange: Exchange, number: int) -> str:
        turn = sum(message.role == "assistant" for message in exchange.messages)
        shown = sorted({frame for frame in exchange.frames if frame is not None})
        visible = np.flatnonzero(areas)
        think = (
            "<think>Step 1 (temporal): when. Step 2 (spatial): where. "
            "Step 3 (linguistic): what. Action: go on.</think>"
        )
        if not len(visible):
            return f'{think}<answer>{{"objects": []}}</answer>'
        found: dict[str, Any] = {"start": int(visible[0]), "end": int(visible[-1])}
        if turn < looks:
            found["keyframe"] = int(areas.argmax())
            return f"{think}<select>{json.dumps(found)}</select>"
        found["keyframe"] = max(shown, key=lambda frame: areas[frame])
        found["objects"] = describe_objects(clip, query, found["keyframe"])
        return f"{think}<answer>{json.dumps(found)}</answer>"

    return ScriptedChat(answer)


def describe_objects(
    clip: SyntheticClip, query: SyntheticQuery, frame: int
) -> list[dict[str, list[int]]]:
    """Return what a model writes of the objects that are visible in a frame, in thousandths."""
    masks = [clip.masks(object_id)[frame] for object_id in query.object_ids]
    return [_describe_mask(mask) for mask in masks if mask.any()]


def _describe_mask(mask: np.ndarray) -> dict[str, list[int]]:
    from videoseg.masks import inner_points

    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    (inside,) = inner_points(mask)
    x1, y1, x2, y2 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1

    def per_mille(x: float, y: float) -> list[int]:
        return [round(1000 * float(x) / width), round(1000 * float(y) / height)]

    outside = (x2 + 3, (y1 + y2) / 2) if x2 + 3 < width else (x1 - 3, (y1 + y2) / 2)
    return {
        "bbox_2d": [*per_mille(x1, y1), *per_mille(x2, y2)],
        "point_2d": per_mille(inside.x, inside.y),
        "neg_point_2d": per_mille(*outside),
    }
