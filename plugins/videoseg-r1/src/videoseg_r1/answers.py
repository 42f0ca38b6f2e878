"""What a model says about objects, read leniently, in the coordinates it used."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from videoseg import GroundingParseError
from videoseg_r1.relaxed_json import read_values

__all__ = ["MAX_OBJECTS", "Answer", "ObjectAnswer", "parse_answer", "split_answer"]

MAX_OBJECTS = 120
"""How many objects of one answer are kept, as in VisionReasoner."""

XY: TypeAlias = tuple[float, float]

_BOX_KEYS = ("bbox_2d", "bbox", "box_2d", "box", "bounding_box", "bbox_2d_list", "bboxes", "boxes")
_POINT_KEYS = ("point_2d", "point", "center", "centre", "center_2d", "points_1", "points_2")
_POINT_LIST_KEYS = ("points_pos", "positive_points", "points_2d")
_NEGATIVE_KEYS = ("neg_point_2d", "point_neg", "negative_point", "neg_point", "point_neg_2d")
_NEGATIVE_LIST_KEYS = ("points_neg", "negative_points", "neg_points")
_LABELLED_KEYS = ("points",)
_OBJECT_LIST_KEYS = ("objects", "answer", "answers", "detections", "targets")
_LARGEST = 1e7
_MAX_POINTS = 32

_THINK = re.compile(r"<think(?:ing)?>(.*?)(?:</think(?:ing)?>|(?=<answer>)|$)", re.S | re.I)
_THINK_END = re.compile(r"</think(?:ing)?>", re.I)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.S | re.I)
_NONE = re.compile(
    r"^\W*(?:none|null|nothing|n/?a"
    r"|(?:there (?:is|are) )?no (?:such )?(?:object|match|target)\w*)\b",
    re.I,
)
_EMPTY = re.compile(r"[\s`]*(?:json)?\s*\[\s*\][\s`.]*", re.I)
_NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,9})?"
_STRING = re.compile(
    rf"[\s(\[]{{0,9}}{_NUMBER}(?:[\s,()\[\]]{{1,9}}{_NUMBER}){{1,3}}[\s)\]]{{0,9}}"
)
_SIDES = {2: ("x", "y"), 4: ("x1", "y1", "x2", "y2")}
_BETWEEN = r"\s{0,20},\s{0,20}"
# The paper's triple has a label behind the point: 1 on the object, 0 not on it.
_LOOSE_POINT = re.compile(
    rf"[(\[]\s{{0,20}}({_NUMBER}){_BETWEEN}({_NUMBER})(?:{_BETWEEN}([01]))?\s{{0,20}}[)\]]"
)
# Corners and sizes are written like points.
_NO_POINT = re.compile(
    r"(?:box\w*|(?:corners?|(?:top|bottom|upper|lower)[\s_-]?(?:left|right)|size|resolution)"
    r"(?:\s(?:of|is|at))?)[\s\"':=\[(),.\d-]*$",
    re.I,
)
_NOT_ON_OBJECT = re.compile(r"(?:neg|outside)\w{0,20}[^()\[\]]{0,20}[\[(\s]*$", re.I)
_CORNER = rf"\(\s{{0,9}}({_NUMBER}){_BETWEEN}({_NUMBER})\s{{0,9}}\)"
# As Qwen-VL and Qwen2-VL were trained to write boxes; and corners by name.
_LOOSE_CORNERS = re.compile(
    rf"box[^()\[\]\d]{{0,20}}{_CORNER}[\s,;-]{{0,5}}(?:(?:to|and)\s)?{_CORNER}"
    rf"|(?:top|upper)[\s_-]?left[^()\[\]\d]{{0,20}}{_CORNER}[^()\[\]\d]{{0,20}}"
    rf"(?:bottom|lower)[\s_-]?right[^()\[\]\d]{{0,20}}{_CORNER}",
    re.I,
)
_LOOSE_BOX = re.compile(
    rf"[(\[]\s{{0,20}}({_NUMBER}){_BETWEEN}({_NUMBER})"
    rf"{_BETWEEN}({_NUMBER}){_BETWEEN}({_NUMBER})\s{{0,20}}[)\]]"
)


@dataclass(frozen=True, slots=True)
class ObjectAnswer:
    """One object, in the coordinates that the model used.

    Args:
        box: (x1, y1, x2, y2) with sorted corners, or None.
        points: Points on the object.
        negative_points: Points that are not on it.
        label: What the model calls it.
    """

    box: tuple[float, float, float, float] | None
    points: tuple[XY, ...] = ()
    negative_points: tuple[XY, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Args:
        thought: The reasoning.
        objects: The objects; none if the model says that there is none.
        warnings: What was left out, and why.
    """

    thought: str
    objects: tuple[ObjectAnswer, ...]
    warnings: tuple[str, ...] = ()


def split_answer(text: str) -> tuple[str, str]:
    """Return (reasoning, answer block).

    Without tags of its own, the reasoning is what stands before the answer; without tags of
    the answer, the answer is what stands after the reasoning.
    """
    answers = list(_ANSWER.finditer(text))
    # A tag that is opened once more and left empty takes nothing back.
    answers = [answer for answer in answers if answer.group(1).strip()] or answers
    thoughts = [match.group(1) for match in _THINK.finditer(text)]
    rest = _THINK.sub("", text)
    # A tag that was closed without having been opened ends reasoning as well.
    closings = list(_THINK_END.finditer(rest))
    if closings:
        thoughts.insert(0, _THINK_END.sub("", rest[: closings[-1].start()]))
        rest = rest[closings[-1].end() :]
    if answers and not thoughts:
        thoughts = [text[: answers[-1].start()]]
    thought = "\n".join(part for part in map(str.strip, thoughts) if part)
    return thought, (answers[-1].group(1) if answers else rest).strip()


def parse_answer(text: str) -> Answer:
    """Read boxes, points and negative points from what a model said.

    Accepts the answers of VideoSeg-R1 (``bbox_2d``, ``point_2d``, ``neg_point_2d``; points as
    labelled triples), VisionReasoner, and Seg-Zero (``bbox``, ``points_1``, ``points_2``); in
    code fences, with single quotes or trailing commas, cut off in the middle, with or without
    tags. Failing that, boxes that stand in running text as "(10, 20, 30, 40)", and failing
    these, points that do, as objects without a box, with a warning.

    Raises:
        GroundingParseError: If it neither names a place nor says that there is none.
    """
    thought, block = split_answer(text)
    warnings: list[str] = []
    values = read_values(block)
    objects: list[ObjectAnswer] = []
    num_items = 0
    for item in _items(values):
        num_items += 1
        if (found := _object(item)) is None:
            continue
        if len(objects) == MAX_OBJECTS:
            warnings.append(f"only the first {MAX_OBJECTS} objects of the answer are kept")
            break
        objects.append(found)
    if not objects:
        objects = list(_loose_boxes(block))
    if objects:
        if num_items > len(objects) and not warnings:
            left_out = num_items - len(objects)
            warnings.append(f"left out of the answer, for naming no place: {left_out}")
        return Answer(thought, tuple(objects), tuple(warnings))
    if _says_none(values, block):
        return Answer(thought, ())
    if objects := _loose_points(block):
        warning = "the answer has no box that can be read; points in its text are taken"
        return Answer(thought, tuple(objects), (warning,))
    raise GroundingParseError(
        "the model's answer names no box and no point, nor does it say that there is none",
        raw_text=text,
    )


def _says_none(values: Sequence[Any], block: str) -> bool:
    if _EMPTY.fullmatch(block):
        return True
    if any(
        isinstance(value, Mapping) and value.get(key) == []
        for value in values
        for key in _OBJECT_LIST_KEYS
    ):
        return True
    return _NONE.match(block[:200]) is not None


def _items(values: Sequence[Any], depth: int = 0) -> Iterator[Any]:
    """Yield what may describe an object: mappings, and lists of four numbers."""
    for value in values:
        if isinstance(value, Mapping):
            inner = next(
                (value[k] for k in _OBJECT_LIST_KEYS if isinstance(value.get(k), list)), None
            )
            if inner is not None and depth < 3:
                yield from _items(inner, depth + 1)
            else:
                yield from _one_by_one(value)
        elif isinstance(value, list) and value:
            if _numbers(value, 4) is not None:
                yield value
            elif depth < 3:
                yield from _items(value, depth + 1)


def _one_by_one(item: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    """Yield the objects of a mapping that lists their boxes, each with its own points."""
    boxes = next((item[key] for key in item if str(key).lower() in _BOX_KEYS), None)
    boxes = boxes if isinstance(boxes, list) else []
    if len(boxes) < 2 or all(_numbers(box, 4) is None for box in boxes):
        yield item
        return
    for number in range(len(boxes)):
        yield {
            key: value[number] if isinstance(value, list) else value
            for key, value in item.items()
            # Points of which there are more or fewer than boxes belong to nobody knows which.
            if not isinstance(value, list) or len(value) == len(boxes)
        }


def _object(item: Any) -> ObjectAnswer | None:
    if isinstance(item, list):
        box = _box(item)
        return None if box is None else ObjectAnswer(box)
    keys = {str(key).lower(): value for key, value in item.items()}
    boxes = (_box(keys[key]) for key in _BOX_KEYS if key in keys)
    box = next((box for box in boxes if box is not None), None)
    points = _points(keys, _POINT_KEYS, _POINT_LIST_KEYS)
    negatives = _points(keys, _NEGATIVE_KEYS, _NEGATIVE_LIST_KEYS)
    for key in _LABELLED_KEYS:
        for x, y, positive in _labelled(keys.get(key)):
            (points if positive else negatives).append((x, y))
    if box is None and not points:
        return None
    label = keys.get("label")
    return ObjectAnswer(
        box,
        tuple(points[:_MAX_POINTS]),
        tuple(negatives[:_MAX_POINTS]),
        label.strip()[:100] if isinstance(label, str) else "",
    )


def _points(keys: Mapping[str, Any], single: Sequence[str], several: Sequence[str]) -> list[XY]:
    found: list[XY] = []
    for key in (*single, *several):
        value = keys.get(key)
        nested = isinstance(value, list) and any(isinstance(part, list) for part in value)
        for candidate in value if nested and isinstance(value, list) else [value]:
            if (numbers := _numbers(candidate, 2)) is not None:
                found.append((numbers[0], numbers[1]))
    return found


def _labelled(value: Any) -> Iterator[tuple[float, float, bool]]:
    """Yield (x, y, positive) from ``[[x, y, 1], [x, y, 0]]``; pairs are positive."""
    if not isinstance(value, list):
        return
    parts = value if any(isinstance(part, list) for part in value) else [value]
    for part in parts:
        if (triple := _numbers(part, 3)) is not None:
            yield triple[0], triple[1], triple[2] > 0
        elif (pair := _numbers(part, 2)) is not None:
            yield pair[0], pair[1], True


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, list) for v in value):
        value = [*value[0], *value[1]]
    numbers = _numbers(value, 4)
    if numbers is None:
        return None
    x1, y1, x2, y2 = numbers
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    return box if box[2] > box[0] and box[3] > box[1] else None


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Return that many finite numbers, or None if the value is something else."""
    if isinstance(value, str) and _STRING.fullmatch(value[:200]):
        value = re.findall(_NUMBER, value)
    elif isinstance(value, Mapping):
        value = [value.get(side) for side in _SIDES.get(count, ())]
    if not isinstance(value, list) or len(value) != count:
        return None
    numbers = []
    for part in value:
        if isinstance(part, str) and re.fullmatch(_NUMBER, part.strip()):
            part = float(part)
        if isinstance(part, bool) or not isinstance(part, int | float):
            return None
        if not math.isfinite(part) or abs(part) > _LARGEST:
            return None
        numbers.append(float(part))
    return tuple(numbers)


def _loose_boxes(block: str) -> Iterator[ObjectAnswer]:
    """Yield boxes in running text, as "(x1, y1, x2, y2)" or "<box>(x1, y1), (x2, y2)"."""
    found = _LOOSE_CORNERS.finditer(block), _LOOSE_BOX.finditer(block)
    places = sorted(itertools.chain(*found), key=lambda match: match.start())
    for match in places[:MAX_OBJECTS]:
        # Of the groups only those of the form that was written are filled.
        box = _box([float(part) for part in match.groups() if part is not None])
        if box is not None:
            yield ObjectAnswer(box)


def _loose_points(block: str) -> list[ObjectAnswer]:
    """Return an object for each point that stands in running text, as "(x, y)".

    A negative point belongs to the object named before it, or to the first.
    """
    points: list[XY] = []
    negatives: dict[int, list[XY]] = {}
    for match in _LOOSE_POINT.finditer(block):
        if len(points) == MAX_OBJECTS:
            break
        before = block[max(0, match.start() - 60) : match.start()]
        if _NO_POINT.search(before):
            continue
        point = (float(match[1]), float(match[2]))
        if match[3] == "0" or _NOT_ON_OBJECT.search(before):
            negatives.setdefault(max(0, len(points) - 1), []).append(point)
        else:
            points.append(point)
    return [
        ObjectAnswer(None, (point,), tuple(negatives.get(number, ())[:_MAX_POINTS]))
        for number, point in enumerate(points)
    ]
