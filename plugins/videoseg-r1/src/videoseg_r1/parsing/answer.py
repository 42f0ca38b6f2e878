"""The parser for answers about objects, in whatever form and coordinates they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from videoseg.errors import GroundingParseError
from videoseg.text import shorten
from videoseg_r1.parsing.boxes_in_text import boxes_in_text, points_in_text
from videoseg_r1.parsing.denial import denies_in_text, is_conditional, is_nothing
from videoseg_r1.parsing.fields import XY, XYXY, YXYX, Corners, named_order
from videoseg_r1.parsing.json_text import Reading, clean_text, read
from videoseg_r1.parsing.objects import IF_Y_FIRST, MAX_POINTS, ObjectAnswer, Objects
from videoseg_r1.parsing.reasoning import final_parts, split_answer

__all__ = [
    "MAX_OBJECTS",
    "SAME_OBJECT_IOU",
    "Answer",
    "Distinct",
    "ObjectAnswer",
    "parse_answer",
    "split_answer",
]

MAX_OBJECTS = 120
"""Most objects of one answer, as in VisionReasoner."""

_MAX_CHARACTERS = 200_000
_MAX_IN_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer.

    Args:
        thought: The reasoning.
        objects: The objects; none if the model says that there is none.
        warnings: What was ignored or is doubtful, and why.
    """

    thought: str
    objects: tuple[ObjectAnswer, ...]
    warnings: tuple[str, ...] = ()


def parse_answer(text: str, *, y_first: bool = False) -> Answer:
    """Parse boxes, points and negative points from a model's reply.

    Accepts the answers of VideoSeg-R1 (``bbox_2d``, ``point_2d``, ``neg_point_2d``; points as
    labelled triples), VisionReasoner, Seg-Zero (``bbox``, ``points_1``, ``points_2``) and of
    other families of models; in code fences, with comments, single or typographic quotes or
    trailing commas, cut off in the middle, with or without tags. A key that names an order or
    a unit (``bbox_xywh``, ``ymin``, ``bbox_normalized``) is respected. Without JSON, boxes in
    running text and in tags are used, and without these, points, as objects without a box, with
    a warning. Drafts before a final answer are ignored. Nearly equal boxes are one object.
    ``null``, empty lists, boxes of zeros, and "there is no dog", in many languages, mean that
    there is no object.

    Args:
        text: The reply; only the last 200,000 characters of the answer are read.
        y_first: Whether numbers have y before x unless the answer says otherwise. The returned
            answer always has x first.

    Raises:
        GroundingParseError: If the reply names no place and does not say that there is none.
    """
    thought, whole = split_answer(text)
    whole = clean_text(whole[-_MAX_CHARACTERS:])
    told = f"{thought[-_MAX_CHARACTERS:]}\n{whole}"
    for part, around in final_parts(whole):
        answer = _read_part(part, y_first, told=told)
        if answer is None or (part is not around and not answer.objects):
            # One of several fenced blocks may be about something else.
            continue
        warnings = [*answer.warnings]
        every = _read_part(around, y_first, told=told) if part is not around else None
        if every is not None and _has_other_places(every, answer):
            if _are_named_apart(every.objects):
                return replace(every, thought=thought)
            warnings.append(
                "the answer names other places outside of its last fenced block; they are read "
                "as drafts and ignored"
            )
        return Answer(thought, answer.objects, tuple(dict.fromkeys(warnings)))
    said = f": {shorten(whole)}" if whole else ""
    if thought and not whole:
        said = (
            "; all of it is reasoning: if it contains the answer, turn off the server's reasoning "
            "parser"
        )
    raise GroundingParseError(
        "the model's answer contains no box and no point, and does not say that there is none"
        + said,
        raw_text=text,
    )


def _read_part(part: str, y_first: bool, *, told: str) -> Answer | None:
    """Return the answer in a part of a reply, or None if it is not about objects.

    Args:
        part: The part.
        y_first: As for ``parse_answer``.
        told: The whole reply, which may describe the order of numbers.
    """
    reading = read(part)
    finder = Objects(y_first)
    distinct = Distinct(MAX_OBJECTS)
    distinct.add(finder.find(reading, part))
    left_out = finder.num_items - distinct.num_said
    warnings = []
    if not distinct.objects:
        distinct.add(boxes_in_text(part, finder, _MAX_IN_TEXT))
    elif left_out:
        warnings.append(f"ignored parts of the answer that name no place: {left_out}")
    if not distinct.objects:
        if _denies_objects(reading, part):
            return Answer("", ())
        distinct.add(points_in_text(part, finder, _MAX_IN_TEXT))
        warnings.append("the answer has no readable box; points in its text are used")
    if not distinct.objects:
        return None
    doubts = _warn_of_doubts(reading, finder, distinct, told)
    return Answer("", tuple(distinct.objects), (*_warn_of_merges(distinct), *warnings, *doubts))


def _has_other_places(every: Answer, answer: Answer) -> bool:
    """Return whether a text has boxes besides those of its fenced block."""
    boxes = {found.box for found in answer.objects}
    return any(found.box not in boxes for found in every.objects)


def _are_named_apart(objects: Sequence[ObjectAnswer]) -> bool:
    """Return whether each object has a label of its own, unlike drafts of one object."""
    labels = {found.label for found in objects}
    return "" not in labels and len(labels) == len(objects)


def _denies_objects(reading: Reading, part: str) -> bool:
    if reading.values and not reading.cut_off and all(map(is_nothing, reading.values)):
        return not is_conditional(reading.prose)
    return denies_in_text(part)


def _warn_of_merges(distinct: Distinct) -> list[str]:
    """Return warnings about objects that were merged or dropped."""
    warnings = []
    if distinct.num_over_limit:
        warnings.append(f"only the first {MAX_OBJECTS} objects of the answer are kept")
    if distinct.num_repeats:
        warnings.append(
            "the answer names the same place several times; objects merged into earlier ones: "
            f"{distinct.num_repeats}"
        )
    return warnings


def _warn_of_doubts(reading: Reading, finder: Objects, distinct: Distinct, told: str) -> list[str]:
    """Return warnings about numbers that may be meant differently."""
    if reading.has_parts() and len(distinct.objects) > 1:
        finder.warn_of_parts()
    doubts = [*finder.warnings]
    if reading.cut_off:
        doubts.append("the answer breaks off in the middle; objects may be missing")
    order, usual = named_order(told), YXYX if finder.y_first else XYXY
    if order not in (None, usual) and finder.guessed_order:
        doubts.append(
            f"the answer speaks of [{', '.join(order or ())}], but its boxes are read as "
            f"[{', '.join(usual)}]; {IF_Y_FIRST}"
        )
    if denies_in_text(reading.prose):
        doubts.append("the answer says that something is not there, but gives a place")
    return doubts


SAME_OBJECT_IOU = 0.9
"""IoU from which two boxes are one object.

Two boxes of 40 units a side that differ by a unit on every side, as by rounding, have 0.9.
Objects close to each other have less. SAM's automatic masks use 0.7, but compare masks, too.
"""


@dataclass(slots=True)
class Distinct:
    """Collects distinct objects up to a limit.

    Args:
        limit: How many are kept.
        objects: The objects that are kept.
        num_repeats: How many repeated an object that is kept.
        num_over_limit: How many exceeded the limit.
    """

    limit: int
    objects: list[ObjectAnswer] = field(default_factory=list)
    num_repeats: int = 0
    num_over_limit: int = 0
    _boxes: NDArray[np.float64] = field(init=False)
    _points: dict[tuple[str | None, XY], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Empty boxes overlap with nothing.
        self._boxes = np.zeros((self.limit, 4))

    @property
    def num_said(self) -> int:
        """How many objects were added, including repeated ones and those over the limit."""
        return len(self.objects) + self.num_repeats + self.num_over_limit

    def add(self, found: Iterable[ObjectAnswer]) -> None:
        """Add objects; the points of a repeated one are added to the first."""
        for one in found:
            same = self._find_same(one)
            if same is not None:
                self.num_repeats += 1
                self.objects[same] = _merge_objects(self.objects[same], one)
            elif len(self.objects) == self.limit:
                self.num_over_limit += 1
            else:
                if one.box is None:
                    self._points[one.space, one.points[0]] = len(self.objects)
                else:
                    self._boxes[len(self.objects)] = one.box
                self.objects.append(one)

    def _find_same(self, one: ObjectAnswer) -> int | None:
        if one.box is None:
            return self._points.get((one.space, one.points[0]))
        overlaps = _overlaps(one.box, self._boxes[: len(self.objects)])
        for number in np.flatnonzero(overlaps >= SAME_OBJECT_IOU):
            if self.objects[number].space == one.space:
                return int(number)
        return None


def _overlaps(box: Corners, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of a box with each of several."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    overlaps: NDArray[np.float64] = shared / (
        areas + (box[2] - box[0]) * (box[3] - box[1]) - shared
    )
    return overlaps


def _merge_objects(first: ObjectAnswer, again: ObjectAnswer) -> ObjectAnswer:
    return replace(
        first,
        points=_union(first.points, again.points),
        negative_points=_union(first.negative_points, again.negative_points),
        label=first.label or again.label,
    )


def _union(first: tuple[XY, ...], again: tuple[XY, ...]) -> tuple[XY, ...]:
    if set(again) <= set(first) or len(first) >= MAX_POINTS:
        return first
    return tuple(dict.fromkeys((*first, *again)))[:MAX_POINTS]
