"""The names of numbers in an answer: which are boxes, in which order, in which unit."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = [
    "NUMBER",
    "XY",
    "XYXY",
    "YXYX",
    "Corners",
    "Key",
    "Measured",
    "box_numbers_of",
    "box_of",
    "format_before",
    "format_of",
    "named_order",
    "numbers_of",
    "pairs_of",
    "read_key",
    "sides_of",
]

XY: TypeAlias = tuple[float, float]
Corners: TypeAlias = tuple[float, float, float, float]
Order: TypeAlias = tuple[str, str, str, str]
Unit: TypeAlias = Literal["unit", "percent", "per_mille", "pixels", "normalized", ""]

NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,9})?"
XYXY: Order = ("x1", "y1", "x2", "y2")
YXYX: Order = ("y1", "x1", "y2", "x2")

_LARGEST = 1e7
_ORDERS: dict[str, Order] = {
    "xyxy": XYXY,
    "ltrb": XYXY,
    "voc": XYXY,
    "yxyx": YXYX,
    "xxyy": ("x1", "x2", "y1", "y2"),
    "lrtb": ("x1", "x2", "y1", "y2"),
    "trbl": ("y1", "x2", "y2", "x1"),
    "xywh": ("x", "y", "w", "h"),
    "ltwh": ("x", "y", "w", "h"),
    "tlwh": ("x", "y", "w", "h"),
    "coco": ("x", "y", "w", "h"),
    "yxhw": ("y", "x", "h", "w"),
    "cxcywh": ("cx", "cy", "w", "h"),
    "xcycwh": ("cx", "cy", "w", "h"),
    "ccwh": ("cx", "cy", "w", "h"),
    "yolo": ("cx", "cy", "w", "h"),
    "cycxhw": ("cy", "cx", "h", "w"),
}
_SIDES = {
    name: side
    for side, names in {
        "x1": "x1 xmin minx left l xleft leftx xtl topleftx xstart",
        "y1": "y1 ymin miny top t ytop topy ytl toplefty ystart",
        "x2": "x2 xmax maxx right r xright rightx xbr bottomrightx xend",
        "y2": "y2 ymax maxy bottom b ybottom bottomy ybr bottomrighty yend",
        "x0": "x0",
        "y0": "y0",
        "x": "x",
        "y": "y",
        "w": "w width",
        "h": "h height",
        "cx": "cx xc xcenter centerx xcentre centrex",
        "cy": "cy yc ycenter centery ycentre centrey",
    }.items()
    for name in names.split()
}
_FIRST_CORNERS = frozenset(["topleft", "upperleft", "lefttop", "tl", "min"])
_SECOND_CORNERS = frozenset(["bottomright", "lowerright", "rightbottom", "br", "max"])
_UNITS: dict[str, Unit] = {
    **dict.fromkeys(["normalized", "normalised", "norm", "relative", "rel"], "normalized"),
    **dict.fromkeys(["unit", "share", "shares", "fraction", "fractions"], "unit"),
    **dict.fromkeys(["percent", "percentage", "pct"], "percent"),
    **dict.fromkeys(["permille", "mille", "thousandths", "1000", "norm1000"], "per_mille"),
    **dict.fromkeys(["pixel", "pixels", "px", "abs", "absolute"], "pixels"),
}
_BOX_WORDS = frozenset(
    [
        "bbox",
        "bboxes",
        "box",
        "boxes",
        "bounding",
        "bndbox",
        "rect",
        "rectangle",
        "region",
        "roi",
        "polygon",
        "vertices",
        "corners",
        "quad",
        "poly",
        "边界框",
        "坐标",
        "框",
    ]
)
_PLACE_WORDS = frozenset(["coordinates", "coordinate", "coords", "coord", "location", "position"])
_POINT_WORDS = frozenset(["point", "points", "center", "centre", "keypoint", "click", "点"])
_NEGATIVE_WORDS = frozenset(["neg", "negative", "negatives", "background", "outside"])
_COCO_KEYS = frozenset(["iscrowd", "category_id"])
_FORMAT_WORDS = re.compile(r"format|order|convention|bbox_type|box_type", re.I)
_FILL_WORDS = frozenset(
    [
        "2d",
        "list",
        "lists",
        "pos",
        "positive",
        "foreground",
        "inside",
        "final",
        "target",
        "object",
        "objects",
        "predicted",
        "pred",
        "of",
        "the",
        "on",
        "in",
        "as",
        "format",
        "per",
        "1",
        "2",
        "3",
        "xy",
        "0",
    ]
)
_PARTS = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_KEY = 100
# As "[ymin, xmin, ymax, xmax]" stands in running text.
_SIDE = "|".join(
    sorted((*_SIDES, r"[xy]_min", r"[xy]_max", r"[xy]_center"), key=len, reverse=True)
)
_NAMED_ORDER = re.compile(
    rf"(?<![\w.])(?:(?:{_SIDE})[\s,;'\"`()\[\]]{{1,5}}){{3}}(?:{_SIDE})(?!\w)", re.I
)
_PLAIN_WORD = re.compile(r"(?:left|right|top|bottom|[ltrb])\W", re.I)
_MEASURED = re.compile(
    rf"\s{{0,9}}([-+]?\d{{1,3}}(?:,\d{{3}}){{1,3}}(?:\.\d{{1,9}})?|{NUMBER})"
    r"\s{0,3}(px|pixels?|%|‰)?\s{0,9}",
    re.I,
)
_KEY_BEFORE = re.compile(r"([A-Za-z_]\w{0,40})[\s\"':=]{0,6}$")
_LISTED = re.compile(
    rf"[\s(\[]{{0,9}}{NUMBER}(?:[\s,;()\[\]]{{1,9}}{NUMBER}){{1,3}}[\s)\]]{{0,9}}"
)
_UNIT_SIGNS: dict[str, Unit] = {"": "", "%": "percent", "‰": "per_mille"}


@dataclass(frozen=True, slots=True)
class Key:
    """What a key says about its value.

    Args:
        kind: ``box``, ``point``, or ``place`` for either, by the number of numbers.
        negative: Whether its points are not on the object.
        order: In which order a box has its numbers; None if the key does not say.
        unit: What the numbers are counted in; "" if the key does not say.
        known: Whether every word of the key is understood.
        y_first: Whether points have y first; None if the key does not say.
        rest: The words of the key that say nothing of a place.
    """

    kind: Literal["box", "point", "place"]
    negative: bool = False
    order: Order | None = None
    unit: Unit = ""
    known: bool = True
    y_first: bool | None = None
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers and the unit written after them, or ""."""

    numbers: tuple[float, ...]
    unit: Unit = ""


@functools.lru_cache(maxsize=4096)
def read_key(key: object) -> Key | None:
    """Return what a key such as ``bbox_xywh`` says, or None if it is not that of a place.

    Example:
        >>> read_key("bbox_xywh").order
        ('x', 'y', 'w', 'h')
        >>> read_key("label") is None
        True
    """
    if not isinstance(key, str) or len(key) > _LONGEST_KEY:
        return None
    words = _PARTS.findall(_CAMEL.sub("_", key).lower())
    order, words = _take_order(words)
    units = [_UNITS[word] for word in words if word in _UNITS]
    # "norm_1000" says more than "norm".
    unit = next((unit for unit in units if unit != "normalized"), units[0] if units else "")
    left = set(words) - set(_UNITS)
    negative = bool(left & _NEGATIVE_WORDS)
    if left & _POINT_WORDS:
        known = not left - _POINT_WORDS - _NEGATIVE_WORDS - _FILL_WORDS - _PLACE_WORDS - {"yx"}
        y_first = True if "yx" in left else False if "xy" in left else None
        return Key("point", negative, None, unit, known, y_first) if known else None
    if negative:
        return None
    understood = _BOX_WORDS | _PLACE_WORDS | _FILL_WORDS | set(_UNITS)
    rest = " ".join(word for word in words if word not in understood)
    known = all(word.isdigit() for word in rest.split())
    if left & _BOX_WORDS or order is not None:
        return Key("box", order=order, unit=unit, known=known, rest=rest)
    return Key("place", unit=unit) if known and left & _PLACE_WORDS else None


def named_order(text: str) -> Order | None:
    """Return the order of a box that a text names last, as "[ymin, xmin, ymax, xmax]"."""
    found = None
    for match in _NAMED_ORDER.finditer(text):
        # "top left, bottom right" names corners, unless it stands in brackets.
        bracketed = (
            text[max(0, match.start() - 2) : match.start()].rstrip("'\"").endswith(("[", "("))
        )
        if _PLAIN_WORD.match(match.group()) and not bracketed:
            continue
        found = _take_order(_PARTS.findall(match.group().lower()))[0] or found
    return found


def format_before(text: str, start: int) -> tuple[str, Key | None, Order | None]:
    """Return what stands right before a place in a text, as in ``bbox_xywh: [``.

    Returns:
        The word, what it says if it is the key of a box, and the order that the text names.
    """
    before = text[max(0, start - 60) : start]
    word = _KEY_BEFORE.search(before)
    key = None if word is None else read_key(word[1])
    if word is None or key is None or key.kind != "box":
        return "", None, named_order(before)
    return word[1], key, key.order or named_order(before)


def numbers_of(value: Any, count: int) -> Measured | None:
    """Return that many finite numbers, or None if the value is something else.

    Numbers may be text, with a unit or with commas between thousands; four or two of them may
    be one text, as ``"10, 20, 30, 40"``.
    """
    if isinstance(value, str) and _LISTED.fullmatch(value[:200]):
        value = re.findall(NUMBER, value)
    if not isinstance(value, list) or len(value) != count:
        return None
    numbers, units = [], set()
    for part in value:
        measured = _measure(part)
        if measured is None:
            return None
        numbers.append(measured[0])
        units.add(measured[1])
    return Measured(tuple(numbers), units.pop() if len(units) == 1 else "")


def box_numbers_of(value: Any) -> Measured | None:
    """Return the four numbers of a box; a fifth from 0 to 1 behind them is its score."""
    if isinstance(value, list) and len(value) == 5:
        score = _measure(value[4])
        return numbers_of(value[:4], 4) if score is not None and 0 <= score[0] <= 1 else None
    return numbers_of(value, 4)


def sides_of(item: Mapping[Any, Any]) -> tuple[dict[str, float], Unit]:
    """Return what a mapping such as ``{"xmin": 10, "ymin": 20, ...}`` says of a box's sides."""
    sides: dict[str, float] = {}
    units: set[Unit] = set()
    for key, value in item.items():
        if not isinstance(key, str) or len(key) > _LONGEST_KEY:
            continue
        name = "".join(_PARTS.findall(key.lower())).replace("_", "")
        if name in _SIDES and (measured := _measure(value)) is not None:
            sides.setdefault(_SIDES[name], measured[0])
            units.add(measured[1])
        elif name in _FIRST_CORNERS | _SECOND_CORNERS and (pairs := pairs_of(value, False)):
            number = 1 if name in _FIRST_CORNERS else 2
            sides.setdefault(f"x{number}", pairs[0][0])
            sides.setdefault(f"y{number}", pairs[0][1])
    if "x0" in sides and "x2" not in sides and "x1" in sides:
        sides["x1"], sides["x2"] = sides["x0"], sides["x1"]
    if "y0" in sides and "y2" not in sides and "y1" in sides:
        sides["y1"], sides["y2"] = sides["y0"], sides["y1"]
    return sides, units.pop() if len(units) == 1 else ""


def box_of(sides: Mapping[str, float]) -> Corners | None:
    """Return (x1, y1, x2, y2) from named sides, not yet sorted; None if some are missing.

    Example:
        >>> box_of({"x": 10, "y": 20, "w": 30, "h": 40})
        (10, 20, 40, 60)
    """
    spans = []
    for low, high, size, middle in (("x1", "x2", "w", "cx"), ("y1", "y2", "h", "cy")):
        first = sides.get(low, sides.get(low[0]))
        if first is not None and high in sides:
            spans.append((first, sides[high]))
        elif size in sides and middle in sides:
            half = sides[size] / 2
            spans.append((sides[middle] - half, sides[middle] + half))
        elif size in sides and first is not None:
            spans.append((first, first + sides[size]))
        else:
            return None
    return (spans[0][0], spans[1][0], spans[0][1], spans[1][1])


def pairs_of(value: Any, y_first: bool) -> list[tuple[float, float, bool, Unit]]:
    """Return each (x, y, whether it is on the object, unit) of one point or a list of points."""
    several = isinstance(value, list) and any(isinstance(p, list | Mapping | str) for p in value)
    one = numbers_of(value, 2) is not None or numbers_of(value, 3) is not None
    points: list[tuple[float, float, bool, Unit]] = []
    for part in value if several and not one else [value]:
        if isinstance(part, Mapping):
            sides, unit = sides_of(part)
            if "x" in sides and "y" in sides:
                points.append((sides["x"], sides["y"], True, unit))
            continue
        measured = numbers_of(part, 2) or numbers_of(part, 3)
        if measured is not None:
            first, second, *label = measured.numbers
            x, y = (second, first) if y_first else (first, second)
            points.append((x, y, not label or label[0] > 0, measured.unit))
    return points


def format_of(item: Mapping[Any, Any]) -> Order | None:
    """Return the order that a mapping names in words, as ``{"format": "xywh", ...}`` does.

    Keys that only annotations of COCO have name that of COCO.
    """
    for name, value in item.items():
        if isinstance(value, str) and isinstance(name, str) and _FORMAT_WORDS.search(name):
            key = read_key(value)
            if key is not None and key.order is not None:
                return key.order
    return _ORDERS["coco"] if _COCO_KEYS & item.keys() else None


def _measure(value: Any) -> tuple[float, Unit] | None:
    unit: Unit = ""
    if isinstance(value, str):
        match = _MEASURED.fullmatch(value[:100])
        if match is None:
            return None
        unit = _UNIT_SIGNS.get(match[2] or "", "pixels")
        value = float(match[1].replace(",", ""))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or abs(value) > _LARGEST:
        return None
    return float(value), unit


def _take_order(words: Sequence[str]) -> tuple[Order | None, list[str]]:
    """Return the order that words name, and the words without it."""
    for place, word in enumerate(words):
        if word in _ORDERS:
            return _ORDERS[word], [*words[:place], *words[place + 1 :]]
    for place in range(len(words)):
        sides: list[str] = []
        next_one = place
        while next_one < len(words) and len(sides) < 4:
            joined = "".join(words[next_one : next_one + 2])
            length = 2 if joined in _SIDES and next_one + 1 < len(words) else 1
            side = _SIDES.get(joined if length == 2 else words[next_one])
            if side is None:
                break
            sides.append(side)
            next_one += length
        if len(sides) == 4 and box_of(dict.fromkeys(sides, 1.0)) is not None:
            first, second, third, fourth = sides
            return (first, second, third, fourth), [*words[:place], *words[next_one:]]
    return None, list(words)
