"""What a grounder says: prompts for objects, or a request to look again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types.geometry import Box, Point, Window
from videoseg.types.rle import Rle
from videoseg.types.scalars import real_number, text_of, texts_of, whole_number

__all__ = ["Embedding", "Grounding", "Look", "Move", "Prompt", "Thought"]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector that says which object is meant, for propagators that declare they take it.

    Args:
        model: Name of the model that made it; a propagator lists the names it understands.
        values: The vector.

    Raises:
        ConfigError: If a value is not a finite number.
    """

    model: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        try:
            values = [real_number(value, "a value of an embedding") for value in self.values]
        except TypeError as error:
            raise ConfigError(
                f"the values of an embedding must be numbers, got {shorten(self.values)}"
            ) from error
        object.__setattr__(self, "model", text_of(self.model, "the model of an embedding"))
        object.__setattr__(self, "values", tuple(values))


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where one object is on one frame. At least one of box, points, mask, embedding is given.

    Numbers of NumPy and of tensors are taken and kept as Python's.

    Args:
        object_id: 1 or greater; the same object keeps its id across frames.
        frame: Frame index of the source video.
        box: Box around the object.
        points: Points on the object.
        negative_points: Points that are not on the object.
        mask: The object's mask, of the source frame's size.
        embedding: A model's vector for the object.
        label: What the object is called in messages and pictures.
        score: How well it fits the query, in [0, 1].

    Raises:
        ConfigError: If nothing says where the object is, an id or frame is out of range, or
            box, points or mask are of another type (a tuple, an array).
    """

    object_id: int
    frame: int
    box: Box | None = None
    points: tuple[Point, ...] = ()
    negative_points: tuple[Point, ...] = ()
    mask: Rle | None = None
    embedding: Embedding | None = None
    label: str = ""
    score: float | None = None

    def __post_init__(self) -> None:
        object_id = whole_number(self.object_id, "object_id", least=1)
        object.__setattr__(self, "object_id", object_id)
        frame = whole_number(self.frame, "a prompt's frame", least=0)
        object.__setattr__(self, "frame", frame)
        who = f"the prompt of object {object_id}"
        object.__setattr__(self, "label", text_of(self.label, f"the label of {who}"))
        if self.score is not None:
            object.__setattr__(self, "score", real_number(self.score, f"the score of {who}"))
        if wrong := self._wrong_types():
            raise ConfigError(wrong)
        object.__setattr__(self, "points", tuple(self.points))
        object.__setattr__(self, "negative_points", tuple(self.negative_points))
        if not (self.box or self.points or self.mask or self.embedding):
            raise ConfigError(
                f"the prompt of object {self.object_id} needs a box, points, a mask "
                "or an embedding"
            )

    def _wrong_types(self) -> list[str]:
        """Return a sentence for each part that is not what a stage can work with."""
        wrong = []
        if not isinstance(self.box, Box | None):
            wrong.append(_wrong_part("box", self, self.box, "a Box: Box(x1, y1, x2, y2)"))
        if not isinstance(self.embedding, Embedding | None):
            allowed = "an Embedding: Embedding(model, values)"
            wrong.append(_wrong_part("embedding", self, self.embedding, allowed))
        if not isinstance(self.mask, Rle | None):
            wrong.append(_wrong_part("mask", self, self.mask, "an Rle: Rle.encode(mask)"))
        for name, points in (("points", self.points), ("negative_points", self.negative_points)):
            if not isinstance(points, tuple | list):
                wrong.append(_wrong_part(name, self, points, "a tuple of Point: (Point(x, y),)"))
                continue
            wrong += [
                _wrong_part(name, self, point, "a tuple of Point: (Point(x, y),)")
                for point in points
                if not isinstance(point, Point)
            ][:1]
        return wrong


def _wrong_part(name: str, prompt: Prompt, given: object, allowed: str) -> str:
    return (
        f"{name} of the prompt of object {prompt.object_id} must be {allowed}; "
        f"got a value of type {type(given).__name__}"
    )


@dataclass(frozen=True, slots=True)
class Thought:
    """The reasoning behind one move.

    Args:
        text: The whole reasoning, as the grounder gave it.
        temporal: The part about when, if it is told apart.
        spatial: The part about where.
        linguistic: The part about what the words mean.
        num_tokens: Tokens generated, where a language model was asked.
        details: Anything else worth keeping (raw answers, prompts), JSON-serialisable.
    """

    text: str = ""
    temporal: str = ""
    spatial: str = ""
    linguistic: str = ""
    num_tokens: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("text", "temporal", "spatial", "linguistic"):
            text = text_of(getattr(self, name), f"{name} of a thought")
            object.__setattr__(self, name, text)
        if self.num_tokens is not None:
            number = whole_number(self.num_tokens, "num_tokens of a thought")
            object.__setattr__(self, "num_tokens", number)


@dataclass(frozen=True, slots=True)
class Look:
    """A grounder's move: show me this window (and this keyframe) before I answer.

    Raises:
        ConfigError: If the keyframe is not a whole number.
    """

    window: Window
    keyframe: int | None = None
    thought: Thought = field(default_factory=Thought)

    def __post_init__(self) -> None:
        if self.keyframe is not None:
            keyframe = whole_number(self.keyframe, "the keyframe of a look")
            object.__setattr__(self, "keyframe", keyframe)


@dataclass(frozen=True, slots=True)
class Grounding:
    """A grounder's answer: where the queried objects are. No prompts: not in this video.

    Args:
        keyframe: The frame on which the objects were localised; None if there are none.
        prompts: One for each object; several for one object on different frames are allowed.
        thought: The reasoning of this last move.
        confidence: How sure the grounder is, in [0, 1]; None if it does not know.
        warnings: What the user should know (words that could not be judged, ...).

    Raises:
        ConfigError: If there are prompts but no keyframe, two prompts for one object on one
            frame, or a part of another type.
    """

    keyframe: int | None
    prompts: tuple[Prompt, ...] = ()
    thought: Thought = field(default_factory=Thought)
    confidence: float | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompts", _all_prompts(self.prompts))
        if self.keyframe is not None:
            keyframe = whole_number(self.keyframe, "the keyframe of a grounding", least=0)
            object.__setattr__(self, "keyframe", keyframe)
        if self.confidence is not None:
            confidence = real_number(self.confidence, "the confidence of a grounding")
            object.__setattr__(self, "confidence", confidence)
        warnings = texts_of(self.warnings, "the warnings of a grounding")
        object.__setattr__(self, "warnings", warnings)
        if self.prompts and self.keyframe is None:
            raise ConfigError("a grounding with prompts needs a keyframe")
        seen: set[tuple[int, int]] = set()
        for prompt in self.prompts:
            if (prompt.object_id, prompt.frame) in seen:
                raise ConfigError(
                    f"object {prompt.object_id} has two prompts on frame {prompt.frame}; "
                    "merge them into one"
                )
            seen.add((prompt.object_id, prompt.frame))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the objects found, sorted."""
        return tuple(sorted({prompt.object_id for prompt in self.prompts}))

    @property
    def found(self) -> bool:
        """Whether anything in the video answers the query."""
        return bool(self.prompts)


Move: TypeAlias = Look | Grounding
"""What a grounder returns from one step."""


def _all_prompts(given: Any) -> tuple[Prompt, ...]:
    prompts = tuple(given) if isinstance(given, Iterable) else (given,)
    for prompt in prompts:
        if not isinstance(prompt, Prompt):
            raise ConfigError(
                "the prompts of a grounding must be a sequence of Prompt: "
                f"(Prompt(object_id, frame, box=...),); got {shorten(prompt)}"
            )
    return prompts
