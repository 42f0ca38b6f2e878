"""Prompts: where one object is on one frame, and which kinds of prompt a propagator takes."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types.geometry import Box, Point
from videoseg.types.rle import Rle
from videoseg.types.scalars import real_number, text_of, whole_number

__all__ = ["Embedding", "Prompt", "PropagatorCapabilities"]


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
        object.__setattr__(self, "model", text_of(self.model, "the model of an embedding"))
        object.__setattr__(self, "values", tuple(values))


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
        """Return a sentence for each part of the wrong type."""
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
class PropagatorCapabilities:
    """What a propagator can do.

    Args:
        boxes: Accepts boxes.
        points: Accepts positive and negative points.
        masks: Accepts masks.
        embeddings: Names of the models whose embeddings it accepts.
        late_objects: Objects may be added after the first propagated frame.
        backward: Can run from later to earlier frames.
        corrections: One object may be prompted again on another frame.
        live: Can run on a source whose end is not known.
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
