"""Objects from parsed JSON: which parts are boxes, which are points, and in which coordinates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from videoseg.text import printable, shorten, well_formed
from videoseg_r1.parsing.fields import (
    XY,
    XYXY,
    YXYX,
    Corners,
    Key,
    Order,
    Unit,
    box_numbers_of,
    box_of,
    format_before,
    format_of,
    pairs_of,
    read_key,
    sides_of,
)
from videoseg_r1.parsing.json_text import Reading

__all__ = ["IF_Y_FIRST", "ObjectAnswer", "Objects", "iter_items", "read_label", "sorted_box"]

IF_Y_FIRST = "if y comes first, set coordinates to a space with y first, such as 'per_mille_yx'"
"""Advice of warnings about the order of coordinates."""

_Pair: TypeAlias = tuple[float, float, bool, Unit]

MAX_POINTS = 32
_FAVORITE_KEYS = ("bbox_2d", "bbox", "box_2d", "box", "bounding_box", "bbox_2d_list")
_NOWHERE = ((0.0, 0.0), (-1.0, -1.0))
"""Points that stand for none where there is no box either."""

_LONGEST_MOMENT = 100
_MOMENT_KEYS = (
    *("frame", "frame_id", "frame_index", "frame_idx", "frame_number"),
    *("time", "timestamp", "t"),
)
_NAMED_FRAME = re.compile(r"(?:frame|image|picture)[\s_-]?\d{1,9}", re.IGNORECASE)
_FLAGS = ("found", "present", "exists", "detected", "is_present")


@dataclass(frozen=True, slots=True)
class ObjectAnswer:
    """One object, in the coordinates that the model used, x always before y.

    Args:
        box: (x1, y1, x2, y2) with sorted corners, or None.
        points: Points on the object.
        negative_points: Points that are not on it.
        label: What the model calls it.
        space: The coordinate space that the answer itself names for this object, such as
            ``unit`` behind ``bbox_normalized``; ``pixels`` if it says no more than that. None
            if it names none: then it is the model's.
    """

    box: Corners | None
    points: tuple[XY, ...] = ()
    negative_points: tuple[XY, ...] = ()
    label: str = ""
    space: str | None = None


@dataclass(slots=True)
class Objects:
    """Finds the objects in what was read of an answer, and what is doubtful about them.

    Args:
        y_first: Whether numbers of which nothing else is said have y before x.
        warnings: What is doubtful, each once.
        num_items: How many things might have been objects.
        guessed_order: Whether a box was read in an order that nothing told.
    """

    y_first: bool = False
    warnings: dict[str, None] = field(default_factory=dict)
    num_items: int = 0
    guessed_order: bool = False
    _told_order: Order | None = None
    _moments: dict[str, None] = field(default_factory=dict)

    def find(self, reading: Reading, text: str) -> Iterator[ObjectAnswer]:
        """Yield the objects that lists and mappings describe, in order.

        Args:
            reading: The lists and mappings.
            text: What they were read from: before one of them it may say how it is meant.
        """
        for value, start in zip(reading.values, reading.starts, strict=True):
            name, key, self._told_order = format_before(text, start)
            self._warn_of_order(self._told_order, key)
            if isinstance(value, Mapping):
                self._told_order = format_of(value) or self._told_order
            boxed = key is not None and box_numbers_of(value) is not None
            for item in iter_items([{name: value} if boxed else value]):
                self.num_items += 1
                found = (
                    self._read_list(item) if isinstance(item, list) else self._read_mapping(item)
                )
                if found is not None:
                    yield found
        self._told_order = None
        if len(self._moments) > 1:
            shown = ", ".join(map(shorten, [*self._moments][:3]))
            self.warn(
                f"the answer gives places on several frames ({shown}); all are taken for places "
                "on the target frame"
            )

    def box(self, numbers: Sequence[float], order: Order | None = None) -> Corners | None:
        """Return a sorted box from four numbers in an order, or in the one that is usual here."""
        order = order or self._told_order
        self.guessed_order = self.guessed_order or order is None
        order = order or (YXYX if self.y_first else XYXY)
        corners = box_of(dict(zip(order, numbers, strict=True)))
        if corners is not None and (corners[0] > corners[2] or corners[1] > corners[3]):
            self.warn(
                "a box of the answer has its second corner before its first "
                f"({_format_numbers(numbers)}); the corners are swapped, but [x, y, width, "
                "height] may have been meant"
            )
        return None if corners is None else sorted_box(corners)

    def warn(self, warning: str) -> None:
        """Keep a warning."""
        self.warnings[warning] = None

    def warn_of_parts(self) -> None:
        """Warn that places stand apart in an answer."""
        self.warn(
            "the answer names places in several parts of its text and does not say which is "
            "final; all are taken, though some may be drafts"
        )

    def _warn_of_order(self, order: Order | None, key: Key | None) -> None:
        """Warn of an order that running text names; a key may be trusted."""
        told = key is not None and key.order is not None
        if order is not None and order != (YXYX if self.y_first else XYXY) and not told:
            self.warn(
                f"the boxes are read as [{', '.join(order)}], because the answer names that order "
                "before them"
            )

    def _read_list(self, item: list[Any]) -> ObjectAnswer | None:
        measured = box_numbers_of(item)
        if measured is None or (box := self.box(measured.numbers)) is None:
            return None
        return _convert_unit(ObjectAnswer(box), measured.unit, box)

    def _read_mapping(self, item: Mapping[Any, Any]) -> ObjectAnswer | None:
        keys = [(name, key, item[name]) for name in item if (key := read_key(name)) is not None]
        found = self._find_box(keys, format_of(item)) or self._read_sides(item)
        points = self._read_points(keys)
        if found.box is None:
            if len(keys) > 1 and all((x, y) in _NOWHERE for x, y, *_ in points):
                points = []
            if not any(positive for _, _, positive, _ in points):
                points = pairs_of(item, y_first=False)
            if not points:
                return None
            found = _convert_unit(
                found, points[0][3], [number for p in points for number in p[:2]]
            )
        elif any(item.get(name) is False for name in _FLAGS):
            self.warn("the answer says that something is not there, but gives a place")
        label = read_label(item)
        moment = next((item[name] for name in _MOMENT_KEYS if name in item), None)
        if isinstance(moment, str | int | float) or _NAMED_FRAME.fullmatch(label):
            self._moments[str(label if moment is None else moment)[:_LONGEST_MOMENT]] = None
        return replace(self._add_points(found, points), label=label)

    def _add_points(self, found: ObjectAnswer, points: Sequence[_Pair]) -> ObjectAnswer:
        """Return an object with its points, as far as they are in the same unit."""
        kept: tuple[list[XY], list[XY]] = ([], [])
        for x, y, positive, unit in points:
            placed = _convert_unit(ObjectAnswer(None, ((x, y),)), unit, (x, y))
            # Of a point that names no unit: a number above 1 is not a fraction.
            same = placed.space is None and (found.space != "unit" or max(x, y) <= 1)
            if same or placed.space == found.space:
                kept[not positive].append(placed.points[0])
            else:
                self.warn("points of the answer in another unit than their box are left out")
        return replace(
            found,
            points=tuple(kept[0][:MAX_POINTS]),
            negative_points=tuple(kept[1][:MAX_POINTS]),
        )

    def _find_box(
        self, keys: Sequence[tuple[str, Key, Any]], order: Order | None
    ) -> ObjectAnswer | None:
        """Return the box of the key that says most about itself.

        Args:
            keys: The keys, what they say, and what stands behind them.
            order: The order of boxes whose key names none, if the object names it.
        """
        for name, key, value in sorted(keys, key=_rank):
            if key.kind == "point":
                continue
            told = key.order or order or self._told_order
            found = self._read_box(replace(key, order=told), value)
            if found is None:
                continue
            if not key.known:
                self.warn(
                    f"the key {shorten(name)} is not known; its numbers are read as "
                    f"[{', '.join(YXYX if self.y_first else XYXY)}]"
                )
            elif name.lower() == "box_2d" and told is None and not self.y_first:
                self.warn(
                    "the key 'box_2d' is used by models that write [ymin, xmin, ymax, xmax], as "
                    f"Gemini does; the numbers are read as [x1, y1, x2, y2]; {IF_Y_FIRST}"
                )
            placed = _convert_unit(found[0], key.unit or found[1], found[0].box or ())
            if key.unit == "normalized" and placed.space is None:
                self.warn(
                    f"the key {shorten(name)} says that its numbers are relative to the image, "
                    "but they are above 1; they are read in the coordinate space of the model"
                )
            return placed
        return None

    def _read_box(self, key: Key, value: Any) -> tuple[ObjectAnswer, Unit] | None:
        if isinstance(value, Mapping):
            sides, unit = sides_of(value)
            corners = box_of(sides)
            box = None if corners is None else sorted_box(corners)
            return self._read_inner_box(key, value) if box is None else (ObjectAnswer(box), unit)
        if (around := self._enclose_vertices(key, value)) is not None:
            return ObjectAnswer(around), ""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list) and len(value) == 2 and all(isinstance(v, list) for v in value):
            value = [*value[0], *value[1]]
        measured = box_numbers_of(value)
        if measured is None or (box := self.box(measured.numbers, key.order)) is None:
            return None
        return ObjectAnswer(box), measured.unit

    def _read_inner_box(
        self, key: Key, value: Mapping[Any, Any]
    ) -> tuple[ObjectAnswer, Unit] | None:
        """Return the box of ``{"vertices": [...]}`` or ``{"xywh": [...]}``."""
        for name, numbers in value.items():
            inner = read_key(name)
            if inner is None or inner.kind == "point" or isinstance(numbers, Mapping):
                continue
            order = inner.order or format_of(value) or key.order
            if (found := self._read_box(replace(inner, order=order), numbers)) is not None:
                return found[0], inner.unit or found[1]
        return None

    def _enclose_vertices(self, key: Key, value: Any) -> Corners | None:
        """Return the box around three or more vertices."""
        if not isinstance(value, list) or len(value) < 3:
            return None
        y_first = key.order == YXYX or (key.order is None and self.y_first)
        points = pairs_of(value, y_first)
        if len(points) != len(value):
            return None
        across, down, _, _ = zip(*points, strict=True)
        return sorted_box((min(across), min(down), max(across), max(down)))

    def _read_sides(self, item: Mapping[Any, Any]) -> ObjectAnswer:
        """Return the box whose sides are keys of the object itself."""
        sides, unit = sides_of(item)
        corners = box_of(sides)
        box = None if corners is None else sorted_box(corners)
        return _convert_unit(ObjectAnswer(box), unit, box or ())

    def _read_points(self, keys: Sequence[tuple[str, Key, Any]]) -> list[_Pair]:
        """Return each (x, y, whether it is on the object, unit) that the keys give."""
        points: list[_Pair] = []
        for _, key, value in keys:
            if key.kind == "box":
                continue
            y_first = self.y_first if key.y_first is None else key.y_first
            for x, y, positive, unit in pairs_of(value, y_first):
                points.append((x, y, positive and not key.negative, key.unit or unit))
        return points


def sorted_box(corners: Corners) -> Corners | None:
    """Return a box with sorted corners, or None if it has no area."""
    x1, y1, x2, y2 = corners
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    return box if box[2] > box[0] and box[3] > box[1] else None


def _rank(entry: tuple[str, Key, Any]) -> tuple[int, int]:
    """Return the rank of a key among those of one object, the most specific first."""
    name, key, _ = entry
    favorite = _FAVORITE_KEYS.index(name.lower()) if name.lower() in _FAVORITE_KEYS else 9
    if favorite == 0:
        return (0, 0)
    if not key.known or key.kind == "place":
        return (4, favorite)
    if key.unit:
        return (3, favorite)
    return (1 if key.order is not None else 2, favorite)


def _convert_unit(found: ObjectAnswer, unit: Unit, numbers: Sequence[float]) -> ObjectAnswer:
    """Return an object in the space that its unit means; percentages become shares.

    Args:
        found: The object.
        unit: The unit.
        numbers: Those that are in it.
    """
    if unit == "percent":
        box = None if found.box is None else _divide_by_100(found.box)
        points = tuple((x / 100, y / 100) for x, y in found.points)
        return replace(found, box=box, points=points, space="unit")
    if unit == "normalized":
        return replace(found, space="unit" if numbers and max(numbers) <= 1 else None)
    return replace(found, space=unit or None)


def _divide_by_100(box: Corners) -> Corners:
    return (box[0] / 100, box[1] / 100, box[2] / 100, box[3] / 100)


def _format_numbers(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


_OBJECT_LIST_KEYS = ("objects", "answer", "answers", "detections", "targets")

_MAX_DEPTH = 40
_LABEL_KEYS = ("label", "name", "class", "category", "object", "ref")
_WRAPPERS = frozenset(
    [
        *("result", "results", "output", "data", "response", "prediction", "predictions"),
        *("final", "arguments", "parameters", "args", "input", "content"),
    ]
)
# What four numbers may be that are no box of anything.
_NO_NAMES = frozenset(
    [
        *("color", "colour", "rgba", "cmyk", "scores", "probabilities", "ids", "frames", "times"),
        *("timestamps", "margins", "padding", "size", "shape"),
    ]
)
_MAX_KEYS = 50
_LONGEST_LABEL = 100
_NUMBERED = re.compile(r"(?<!\d)\d{1,3}$")


def iter_items(values: Sequence[Any], depth: int = 0) -> Iterator[Any]:
    """Yield what may describe an object: mappings, and lists of four numbers."""
    if depth > _MAX_DEPTH:
        return
    for value in values:
        if isinstance(value, Mapping):
            inner = next(
                (value[k] for k in _OBJECT_LIST_KEYS if isinstance(value.get(k), list)), None
            )
            if inner is not None:
                yield from iter_items(inner, depth + 1)
            elif any(map(read_key, value)) or box_of(sides_of(value)[0]) is not None:
                yield from _split_item(value)
            else:
                yield from _iter_nested(value, depth)
        elif isinstance(value, list) and value:
            if box_numbers_of(value) is not None:
                yield value
            else:
                yield from iter_items(value, depth + 1)


def _iter_nested(item: Mapping[Any, Any], depth: int) -> Iterator[Any]:
    """Yield the objects inside a mapping that is not an object; the mapping if it has none."""
    inner = {
        key: value
        for key, value in item.items()
        if isinstance(value, Mapping)
        or (isinstance(value, list) and (_has_items(value) or _is_named_box(key, value)))
    }
    if not inner:
        yield item
    for key, value in inner.items():
        is_name = key not in _WRAPPERS and key not in _OBJECT_LIST_KEYS
        if is_name and isinstance(value, Mapping) and not set(_LABEL_KEYS) & set(value):
            yield from iter_items([{**value, "label": key}], depth + 1)
        elif is_name and _is_named_box(key, value):
            yield {"bbox": value, "label": key}
        else:
            yield from iter_items([value], depth + 1)


def _is_named_box(key: object, value: Any) -> bool:
    return str(key).lower() not in _NO_NAMES and _is_box(value)


def _has_items(value: list[Any]) -> bool:
    return any(isinstance(part, list | Mapping) for part in value)


def _split_item(item: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    """Yield the objects of a mapping that has several boxes, each with its own points."""
    keys = {name: key for name in item if (key := read_key(name)) is not None}
    boxes = [name for name, key in keys.items() if key.kind != "point"]
    apart = [
        name for name in boxes if _is_box(item[name]) and _is_one_of_several(name, keys[name])
    ]
    if len(apart) > 1 and len(apart) == len(boxes):
        # "bbox_1" and "bbox_2", or "dog_bbox" and "cat_bbox"
        label = read_label(item)
        yield from ({name: item[name], "label": label or _label_in(keys[name])} for name in apart)
        return
    listed = next((item[name] for name in boxes), None)
    if not isinstance(listed, list) or len(listed) < 2 or not any(map(_is_box, listed)):
        yield item
        return
    kept = [*(name for name in item if name in _LABEL_KEYS), *keys][:_MAX_KEYS]
    for number in range(len(listed)):
        yield {
            name: item[name][number] if isinstance(item[name], list) else item[name]
            for name in kept
            # With more or fewer points than boxes it is not known which belong together.
            if not isinstance(item[name], list) or len(item[name]) == len(listed)
        }


def _label_in(key: Key) -> str:
    return "" if key.known else key.rest


def _is_one_of_several(name: str, key: Key) -> bool:
    return not key.known or _NUMBERED.search(name) is not None


def _is_box(value: Any) -> bool:
    if isinstance(value, Mapping):
        return box_of(sides_of(value)[0]) is not None
    return box_numbers_of(value) is not None


def read_label(item: Mapping[Any, Any]) -> str:
    """Return what an item calls its object, fit to be shown; empty if it gives no name."""
    for name in _LABEL_KEYS:
        label = next((v for k, v in item.items() if str(k).lower() == name), None)
        if isinstance(label, str):
            return printable(well_formed(label[:_LONGEST_LABEL])).strip()
    return ""
