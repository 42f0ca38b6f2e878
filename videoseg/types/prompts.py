"""Prompts: where one object is on one frame, and which kinds of prompt a propagator takes."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types.geometry import Box, Point
from videoseg.types.rle import Rle
from videoseg.types.scalars import optional, real_number, set_fields, text_of, whole_number

__all__ = ["Embedding", "Prompt", "PropagatorCapabilities", "RoughPlace"]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector that identifies an object, for propagators that declare that they accept it.

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
        model = text_of(self.model, "the model of an embedding")
        set_fields(self, model=model, values=tuple(values))


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where one object is on one frame. At least one of box, points, mask, embedding is given.

    Numbers of NumPy and of tensors are accepted and kept as Python's.

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
        frame = whole_number(self.frame, "a prompt's frame", least=0)
        who = f"the prompt of object {object_id}"
        label = text_of(self.label, f"the label of {who}")
        score = optional(real_number, self.score, f"the score of {who}")
        problems = [
            f"{name} of {who} must be {allowed}; got a value of type {type(given).__name__}"
            for name, allowed, given in self._wrong_parts()
        ]
        if problems:
            raise ConfigError(problems)
        points, negative_points = tuple(self.points), tuple(self.negative_points)
        set_fields(self, object_id=object_id, frame=frame, label=label, score=score)
        set_fields(self, points=points, negative_points=negative_points)
        if not (self.box or self.points or self.mask or self.embedding):
            raise ConfigError(f"{who} needs a box, points, a mask or an embedding")

    def _wrong_parts(self) -> list[tuple[str, str, object]]:
        """Return name, allowed form and value of each part of the wrong type."""
        wrong: list[tuple[str, str, object]] = []
        for name, kind, allowed in (
            ("box", Box, "a Box: Box(x1, y1, x2, y2)"),
            ("embedding", Embedding, "an Embedding: Embedding(model, values)"),
            ("mask", Rle, "an Rle: Rle.encode(mask)"),
        ):
            if not isinstance(given := getattr(self, name), kind | None):
                wrong.append((name, allowed, given))
        for name in ("points", "negative_points"):
            given, allowed = getattr(self, name), "a tuple of Point: (Point(x, y),)"
            if isinstance(given, tuple | list):
                others = [point for point in given if not isinstance(point, Point)]
                wrong += [(name, allowed, point) for point in others[:1]]
            else:
                wrong.append((name, allowed, given))
        return wrong


@dataclass(frozen=True, slots=True)
class RoughPlace:
    """Where something saw an object on one frame, such as a detector: a help, not a prompt.

    A propagator may heed it and need not. It may be wrong: another thing, or a part of it.

    Args:
        object_id: The object, as in its prompts.
        frame: Frame index of the source video.
        box: Box around what was seen, in pixels of the source frame.
        score: How sure that was, in [0, 1].

    Raises:
        ConfigError: If an id, frame or score is out of range, or the box is no ``Box``.
    """

    object_id: int
    frame: int
    box: Box
    score: float = 1.0

    def __post_init__(self) -> None:
        what = "of a rough place"
        object_id = whole_number(self.object_id, f"the object_id {what}", least=1)
        frame = whole_number(self.frame, f"the frame {what}", least=0)
        score = real_number(self.score, f"the score {what}")
        if not isinstance(self.box, Box):
            raise ConfigError(
                f"the box {what} must be a Box: Box(x1, y1, x2, y2); got {shorten(self.box)}"
            )
        if not 0 <= score <= 1:
            raise ConfigError(f"the score {what} must be within 0..1, got {score}")
        set_fields(self, object_id=object_id, frame=frame, score=score)


@dataclass(frozen=True, slots=True)
class PropagatorCapabilities:
    """What a propagator can do.

    Args:
        boxes: Whether it accepts boxes.
        points: Whether it accepts positive and negative points.
        masks: Whether it accepts masks.
        embeddings: Names of the models whose embeddings it accepts.
        late_objects: Whether objects may be added after the first propagated frame.
        backward: Whether it can run from later to earlier frames.
        corrections: Whether one object may be prompted again on another frame.
        live: Whether it can run on a source whose end is not known.
        max_objects_per_pass: How many objects one pass holds; None for no limit.
    """

    boxes: bool = False
    points: bool = False
    masks: bool = True
    embeddings: tuple[str, ...] = ()
    late_objects: bool = True
    backward: bool = True
    corrections: bool = False
    live: bool = False
    max_objects_per_pass: int | None = None
