"""Which parts of what was read of an answer may describe an object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videoseg.text import printable, well_formed
from videoseg_r1.places import Key, box_numbers_of, box_of, read_key, sides_of

__all__ = ["items_of", "label_of"]

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


def items_of(values: Sequence[Any], depth: int = 0) -> Iterator[Any]:
    """Yield what may describe an object: mappings, and lists of four numbers."""
    if depth > _MAX_DEPTH:
        return
    for value in values:
        if isinstance(value, Mapping):
            inner = next(
                (value[k] for k in _OBJECT_LIST_KEYS if isinstance(value.get(k), list)), None
            )
            if inner is not None:
                yield from items_of(inner, depth + 1)
            elif any(map(read_key, value)) or box_of(sides_of(value)[0]) is not None:
                yield from _one_by_one(value)
            else:
                yield from _nested(value, depth)
        elif isinstance(value, list) and value:
            if box_numbers_of(value) is not None:
                yield value
            else:
                yield from items_of(value, depth + 1)


def _nested(item: Mapping[Any, Any], depth: int) -> Iterator[Any]:
    """Yield the objects inside a mapping that is none itself; what it is, if it has none."""
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
            yield from items_of([{**value, "label": key}], depth + 1)
        elif is_name and _is_named_box(key, value):
            yield {"bbox": value, "label": key}
        else:
            yield from items_of([value], depth + 1)


def _is_named_box(key: object, value: Any) -> bool:
    return str(key).lower() not in _NO_NAMES and _is_box(value)


def _has_items(value: list[Any]) -> bool:
    return any(isinstance(part, list | Mapping) for part in value)


def _one_by_one(item: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    """Yield the objects of a mapping that has several boxes, each with its own points."""
    keys = {name: key for name in item if (key := read_key(name)) is not None}
    boxes = [name for name, key in keys.items() if key.kind != "point"]
    apart = [
        name for name in boxes if _is_box(item[name]) and _is_one_of_several(name, keys[name])
    ]
    if len(apart) > 1 and len(apart) == len(boxes):
        # "bbox_1" and "bbox_2", or "dog_bbox" and "cat_bbox"
        label = label_of(item)
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
            # Points of which there are more or fewer than boxes belong to nobody knows which.
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


def label_of(item: Mapping[Any, Any]) -> str:
    """Return what an item calls its object, fit to be shown; empty if it gives no name."""
    for name in _LABEL_KEYS:
        label = next((v for k, v in item.items() if str(k).lower() == name), None)
        if isinstance(label, str):
            return printable(well_formed(label[:_LONGEST_LABEL])).strip()
    return ""
