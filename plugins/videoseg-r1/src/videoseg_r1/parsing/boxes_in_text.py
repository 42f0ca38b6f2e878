"""Boxes and points in running text, in tags and in location tokens."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from videoseg_r1.parsing.fields import NUMBER, XY, box_of, format_before, sides_of
from videoseg_r1.parsing.json_text import is_talk
from videoseg_r1.parsing.objects import MAX_POINTS, ObjectAnswer, Objects, sorted_box

__all__ = ["boxes_in_text", "points_in_text"]

_Found: TypeAlias = tuple[int, ObjectAnswer]

_MAX_FOUND = 5_000
_UNIT = r"(?:\s?(?:px|pixels?))?"
_BETWEEN = rf"{_UNIT}\s{{0,20}}[,，;；]\s{{0,20}}"
_APART = r"[\s,，;；]{1,9}"
_LISTED = r"(?:\s{0,5}[,，、;；|]\s{0,5}|\s{1,5})"
_OPEN, _CLOSE = r"[(\[（［]\s{0,20}", r"\s{0,20}[)\]）］]"

_BOX = re.compile(
    rf"{_OPEN}({NUMBER}){_BETWEEN}({NUMBER}){_BETWEEN}({NUMBER}){_BETWEEN}({NUMBER}){_UNIT}{_CLOSE}"
)
_CORNER = rf"{_OPEN}({NUMBER}){_BETWEEN}({NUMBER}){_UNIT}{_CLOSE}"
# As Qwen-VL and Qwen2-VL were trained to write boxes; and corners by name.
_CORNERS = re.compile(
    rf"box[^()\[\]\d]{{0,20}}{_CORNER}[\s,;-]{{0,5}}(?:(?:to|and)\s)?{_CORNER}"
    rf"|(?:top|upper)[\s_-]?left[^()\[\]\d]{{0,20}}{_CORNER}[^()\[\]\d]{{0,20}}"
    rf"(?:bottom|lower)[\s_-]?right[^()\[\]\d]{{0,20}}{_CORNER}"
    rf"|{_CORNER}\s{{0,5}}(?:to|until|through|-{{1,2}}>?|[–—→])\s{{0,5}}{_CORNER}",
    re.I,
)
# "<bbox>10 20 30 40</bbox>"
_TAGGED = re.compile(
    rf"<[^<>/\d]{{0,20}}(?:box|rect|det|region|quad)[^<>/]{{0,20}}>\s{{0,9}}"
    rf"({NUMBER}){_APART}({NUMBER}){_APART}({NUMBER}){_APART}({NUMBER})\s{{0,9}}<",
    re.I,
)
# A whole answer of four numbers: "10, 20, 40, 60"
_ALONE = re.compile(
    rf"\W{{0,9}}(?:\w{{1,30}}\s{{0,5}}[:=：])?[\s\"'*`「]{{0,5}}({NUMBER}){_LISTED}({NUMBER}){_LISTED}"
    rf"({NUMBER}){_LISTED}({NUMBER})[\s.。」*`\"']{{0,5}}"
)
# Florence-2 counts to 999 and has x first, PaliGemma to 1023 and has y first.
_TOKENS = re.compile(r"<loc(_?)(\d{1,4})><loc_?(\d{1,4})><loc_?(\d{1,4})><loc_?(\d{1,4})>", re.I)
# "xmin: 10", "**xmin:** 10", "<xmin>10</xmin>", 'x1="10"'
_NAMED = re.compile(
    r"(?<![A-Za-z0-9_])([xy](?:_?(?:min|max|[012]))?|w|h|width|height|left|top|right|bottom|c[xy]"
    rf"|[xy]_?cent(?:er|re)|cent(?:er|re)_?[xy])[\"'\s*`]{{0,4}}[:=>：＝][\s*`]{{0,4}}[\"']?({NUMBER})",
    re.I,
)
_MAY_NAME_SIDES = re.compile(r"x|left", re.I)
# "x from 10 to 40 and y from 20 to 60", "x: 10-40, y: 20-60"
_RANGES = re.compile(
    r"[\s,;]{1,3}(?:and\s)?(?:from\s)?".join(
        rf"\b{axis}\s?(?:=|:|from|between|spans|\s){{1,3}}\s?({NUMBER}){_UNIT}"
        rf"\s?(?:to|and|through|[-–—])\s?(?:{axis}\s?[=:]\s?)?({NUMBER}){_UNIT}"
        for axis in "xy"
    )
    + r"(?!\.?\d)",
    re.I,
)
_CELL_END = re.compile(r"[|,;\t]")
_LONGEST_GAP = 60
_LONGEST_ALONE = 200
# As Molmo points: in percent.
_PERCENT_TAG = re.compile(r"<points?\s([^<>]{1,2000})>", re.I)
_PERCENT_PAIR = re.compile(
    rf"\bx\d*=\s?[\"']\s?({NUMBER})[\"']\s{{1,3}}y\d*=\s?[\"']\s?({NUMBER})"
)
_TAGGED_POINT = re.compile(rf"<point>\s{{0,9}}({NUMBER}){_APART}({NUMBER})\s{{0,9}}</point>", re.I)
# The paper's triple has a label behind the point: 1 on the object, 0 not on it.
_POINT = re.compile(rf"{_OPEN}({NUMBER}){_BETWEEN}({NUMBER})(?:{_BETWEEN}([01]))?{_UNIT}{_CLOSE}")
# Corners and sizes are written like points.
_NO_POINT = re.compile(
    r"(?:box\w*|(?:corners?|(?:top|bottom|upper|lower)[\s_-]?(?:left|right)|size|resolution)"
    r"(?:\s(?:of|is|at))?)[\s\"':=\[(),.\d-]*$",
    re.I,
)
_NOT_ON_OBJECT = re.compile(r"(?:neg|outside)\w{0,20}[^()\[\]]{0,20}[\[(\s]*$", re.I)


def boxes_in_text(text: str, objects: Objects, limit: int) -> list[ObjectAnswer]:
    """Return the boxes in running text, in order, or the first of them."""
    found = [
        *_find_bracketed(text, objects),
        *_find_tokens(text),
        *_find_ranges(text),
        *_find_tables(text),
        *(_find_named(text) if _MAY_NAME_SIDES.search(text) else ()),
    ]
    return [one for _, one in sorted(found, key=lambda entry: entry[0])][:limit]


def points_in_text(text: str, objects: Objects, limit: int) -> list[ObjectAnswer]:
    """Return an object for each point that stands in running text, as "(x, y)".

    A negative point belongs to the object named before it, or to the first.
    """
    tagged = [*_tagged_points(text, objects)]
    if tagged:
        return tagged[:limit]
    points: list[XY] = []
    negatives: dict[int, list[XY]] = {}
    for match in _POINT.finditer(text):
        if len(points) == limit:
            break
        before = text[max(0, match.start() - 60) : match.start()]
        if _NO_POINT.search(before):
            continue
        point = _order_point(float(match[1]), float(match[2]), objects)
        if match[3] == "0" or _NOT_ON_OBJECT.search(before):
            negatives.setdefault(max(0, len(points) - 1), []).append(point)
        else:
            points.append(point)
    if not points and not negatives:
        return [ObjectAnswer(None, (point,)) for point in _named_points(text)][:limit]
    return [
        ObjectAnswer(None, (point,), tuple(negatives.get(number, ())[:MAX_POINTS]))
        for number, point in enumerate(points)
    ]


def _find_bracketed(text: str, objects: Objects) -> Iterator[_Found]:
    """Yield "(x1, y1, x2, y2)", "<box>(x1, y1), (x2, y2)" and "<bbox>x1 y1 x2 y2</bbox>"."""
    for pattern in (_CORNERS, _BOX, _TAGGED):
        end = len(text)
        for match in islice(pattern.finditer(text), _MAX_FOUND):
            # Of the groups only those of the form that was written are filled.
            numbers = [float(part) for part in match.groups() if part is not None]
            order = None
            if pattern is _BOX:
                _, _, order = format_before(text, match.start())
            if (box := objects.box(numbers, order)) is not None:
                if is_talk(text[end : match.start()]):
                    objects.warn_of_parts()
                end = match.end()
                yield match.start(), ObjectAnswer(box)
    alone = _ALONE.fullmatch(text[: _LONGEST_ALONE + 1].strip())
    if alone is not None and len(text) <= _LONGEST_ALONE:
        box = objects.box([float(part) for part in alone.groups()])
        if box is not None:
            yield 0, ObjectAnswer(box)


def _find_tokens(text: str) -> Iterator[_Found]:
    for match in islice(_TOKENS.finditer(text), _MAX_FOUND):
        first, second, third, fourth = (float(part) for part in match.groups()[1:])
        if match[1]:
            box, space = sorted_box((first, second, third, fourth)), "per_mille"
        else:
            shares = (second / 1024, first / 1024, fourth / 1024, third / 1024)
            box, space = sorted_box(shares), "unit"
        if box is not None:
            yield match.start(), ObjectAnswer(box, space=space)


def _find_ranges(text: str) -> Iterator[_Found]:
    """Yield boxes whose sides are given as "x from 10 to 40 and y from 20 to 60"."""
    for match in islice(_RANGES.finditer(text), _MAX_FOUND):
        left, right, top, bottom = map(float, match.groups())
        if (box := sorted_box((left, top, right, bottom))) is not None:
            yield match.start(), ObjectAnswer(box)


def _find_tables(text: str) -> Iterator[_Found]:
    """Yield the boxes of rows below a row of "x1 | y1 | x2 | y2", in Markdown or CSV."""
    header: list[str] = []
    start = 0
    for line in text.split("\n"):
        cells = [cell.strip(" \t\r*`") for cell in _CELL_END.split(line.strip().strip("|")[:500])]
        if box_of(sides_of(dict.fromkeys(cells, 1))[0]) is not None:
            header = cells
        elif len(cells) == len(header):
            sides, unit = sides_of(dict(zip(header, cells, strict=True)))
            corners = box_of(sides) if unit in ("", "pixels") else None
            if corners is not None and (box := sorted_box(corners)) is not None:
                yield start, ObjectAnswer(box)
        start += len(line) + 1


def _find_named(text: str) -> Iterator[_Found]:
    """Yield boxes whose sides are named one by one, as "xmin: 10, ymin: 20, ..."."""
    for start, group in _named_groups(text):
        sides, _ = sides_of(group)
        corners = box_of(sides)
        if corners is not None and (box := sorted_box(corners)) is not None:
            yield start, ObjectAnswer(box)


def _named_points(text: str) -> Iterator[XY]:
    for _, group in _named_groups(text):
        if set(group) == {"x", "y"}:
            yield group["x"], group["y"]


def _named_groups(text: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield named numbers that stand close together, until a name comes again."""
    group: dict[str, float] = {}
    start = end = 0
    for match in islice(_NAMED.finditer(_without_percent_points(text)), _MAX_FOUND):
        name = match[1].lower()
        if group and (name in group or match.start() - end > _LONGEST_GAP):
            yield start, group
            group = {}
        start = start if group else match.start()
        group[name], end = float(match[2]), match.end()
    if group:
        yield start, group


def _without_percent_points(text: str) -> str:
    return _PERCENT_TAG.sub("", text)


def _tagged_points(text: str, objects: Objects) -> Iterator[ObjectAnswer]:
    for tag in islice(_PERCENT_TAG.finditer(text), _MAX_FOUND):
        for pair in _PERCENT_PAIR.finditer(tag[1]):
            x, y = float(pair[1]), float(pair[2])
            yield ObjectAnswer(None, ((x / 100, y / 100),), space="unit")
    for match in islice(_TAGGED_POINT.finditer(text), _MAX_FOUND):
        yield ObjectAnswer(None, (_order_point(float(match[1]), float(match[2]), objects),))


def _order_point(first: float, second: float, objects: Objects) -> XY:
    return (second, first) if objects.y_first else (first, second)
