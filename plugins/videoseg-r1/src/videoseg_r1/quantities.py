"""Numbers in running text: which of them are times, which percentages, which neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

__all__ = ["Kind", "Quantity", "marked_or_bare", "quantities", "ranges"]

Kind: TypeAlias = Literal["time", "percent", "bare", "other"]

_NUMBER = r"(?:\d{1,9}(?:\.\d+)?|(?<!\.)\.\d+)"
_QUANTITY = re.compile(
    # Not inside a word or a longer number; but "1m5s" is two.
    rf"""(?:(?<![\w.])|(?<=(?<!\d)\.)|(?<=\d[hm])|(?<=\dmin))
    (?:
        (?P<clock>(?:\d{{1,3}}:)?\d{{1,3}}:\d{{1,2}}(?:\.\d+|,\d{{3}}(?!\d))?)
        (?:\s{{0,3}}(?:s|sec|seconds|min|minutes|h|hours)\b)?(?!\w|[.:]\d)
      |
        (?P<number>{_NUMBER})(?P<ordinal>(?:st|nd|rd|th)\b)?
        (?:
            (?:\s{{0,3}}|-)(?:
                (?P<ms>ms|msecs?|milliseconds?)
              | (?P<s>s|secs?|seconds?)
              | (?P<m>m|mins?|minutes?)
              | (?P<h>h|hrs?|hours?)
            )(?![A-Za-z_])
          |
            \s{{0,3}}(?P<percent>%|(?:percent|per\s?cent|pct)\b)
          |
            \s{{0,3}}(?:/|out\sof\b)\s{{0,3}}(?P<of>\d{{1,9}})(?!\w|\.\d)
          |
            (?:\s{{0,3}}|-)(?P<count>(?:frames?|fps|pixels?|px)\b)
          |
            (?!\w|[.:]\d)
        )
    )""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_FILLERS = (
    r"(?:(?:about|around|roughly|approximately|approx\.?|ca\.?|the|at|is|t\s{0,3}=)\s{0,3}|~)"
)
_BRACKETS = r"[\s<>()\[\]\"'*`]{0,8}"
_RANGE_GAP = re.compile(
    rf"""{_BRACKETS}(?:marks?\s{{0,3}})?
    (?:
        (?P<word>(?:up\s)?to\b|until\b|till?\b|through\b|thru\b
            |[,;.]?\s{{0,3}}["']?(?:(?:and|then|it)\s{{1,3}}){{0,3}}(?:end(?:s|ing)?|stops?)
             (?:[\s_]?time)?\b["']?(?:\s{{0,3}}[:=])?)
      | (?P<and>and\b)
      | (?P<dash>-{{1,2}}>?|[\u2013\u2014\u2192~])
      | (?P<comma>,)
    )
    \s{{0,3}}{_FILLERS}{{0,4}}(?:seconds?\s)?{_BRACKETS}""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_GAP = 60
_OPENED = re.compile(
    rf"\b(?:from|between)\s{{0,3}}{_FILLERS}{{0,4}}(?:seconds?\s)?{_BRACKETS}$", re.IGNORECASE
)
_COMPOUND_GAP = re.compile(r"\s{0,3}(?:,\s{0,3})?(?:(?:and|&)\s{1,3})?", re.IGNORECASE)

_LIST_BEFORE = re.compile(r"[\n.;!?…][ \t]*\(?$")
_LIST_AFTER = re.compile(r"[.)][ \t]+\S")
_NAMED_BEFORE = re.compile(
    r"(?:\b(?:frames?|images?|pictures?|shots?|scenes?|steps?|objects?|options?)\s{0,3}"
    r"(?:no\.?|number)?|#)\s{0,3}#?$",
    re.IGNORECASE,
)
_LASTS_BEFORE = re.compile(
    rf"\b(?:lasts?|duration)\b[\s:=]{{0,3}}(?:(?:of|for)\s)?{_FILLERS}{{0,4}}$", re.IGNORECASE
)
_LASTS_AFTER = re.compile(r"[\s-]{0,2}(?:long|clip|video)\b", re.IGNORECASE)
_CUE = re.compile(
    r"\b(?:at|from|to|until|till?|between|starts?|starting|begins?|beginning|ends?|ending|stops?"
    rf"|time|timestamp|seconds?|position|mark)[\s:=]{{1,3}}{_FILLERS}{{0,4}}{_BRACKETS}$",
    re.IGNORECASE,
)
_SIGN = re.compile(r"[:=]\s{0,3}$")
_COUNTS = re.compile(
    r"\s{0,3}-?(?!(?:and|or|to|until|till?|then|through|ends?)\b)[A-Za-z]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text.

    Args:
        kind: ``time`` (a clock form, or a number with a unit), ``percent``, ``bare`` (perhaps
            either), or ``other`` (a frame number, a count of frames, a duration, a negative
            number).
        value: Seconds of a time; of anything else the number as it is written.
        unit: Seconds of what a time is written in: 60 for "2 minutes" and for "1 m 5 s".
        whole: Whether it is written without a point.
        start: Where in the text it starts.
        end: Where it ends.
    """

    kind: Kind
    value: float
    unit: float
    whole: bool
    start: int
    end: int


def quantities(text: str) -> list[Quantity]:
    """Return the numbers of a text in order, each with what it counts; no list numbers.

    A bare number in a range takes the unit of the other end: in "from 3 to 7.5 seconds" both
    are times, in "20 to 40 %" both percentages, in "frames 12 to 40" both neither. Takes time
    proportional to the text.

    Example:
        >>> [(q.kind, q.value) for q in quantities("2. It runs from 3 to 1 min 5 s, at 40%")]
        [('time', 3.0), ('time', 65.0), ('percent', 40.0)]
    """
    found = _merged(text, [_quantity(match) for match in _QUANTITY.finditer(text)])
    # A text with one number only is no list.
    if len(found) > 1:
        found = [quantity for quantity in found if not _numbers_a_list(text, quantity)]
    found = [
        replace(quantity, kind="other") if _is_number_of_something(text, found, i) else quantity
        for i, quantity in enumerate(found)
    ]
    # The end of a range says what its start is, before the start may say it of the end.
    for i in reversed(range(len(found) - 1)):
        found[i] = _like(found[i], found[i + 1], text, found[i], found[i + 1])
    for i in range(1, len(found)):
        found[i] = _like(found[i], found[i - 1], text, found[i - 1], found[i])
    return found


def ranges(text: str, found: Sequence[Quantity], kind: Kind) -> list[tuple[Quantity, Quantity]]:
    """Return the pairs of neighbours that the text joins to a range, as in "3 s - 7 s"."""
    return [
        (first, second)
        for first, second in pairwise(found)
        if first.kind == second.kind == kind and _joined(text, first, second)
    ]


def marked_or_bare(text: str, found: Sequence[Quantity], kind: Kind) -> list[Quantity]:
    """Return the numbers that say what they are; only if there are none, the bare ones.

    Of the bare ones those count that a word such as "at" or "from" leads up to; if there are
    none of these either, those that count nothing, as the first one does in "2 dogs, 7".
    """
    marked = [quantity for quantity in found if quantity.kind == kind]
    if marked:
        return marked
    bare = [quantity for quantity in found if quantity.kind == "bare"]
    cued = [quantity for quantity in bare if _is_cued(text, quantity)]
    return cued or [q for q in bare if not _COUNTS.match(text, q.end, q.end + 20)]


def _quantity(match: re.Match[str]) -> Quantity:
    start, end = match.span()
    if match["clock"]:
        parts = [float(part) for part in match["clock"].replace(",", ".").split(":")]
        seconds = sum(part * float(60**power) for power, part in enumerate(reversed(parts)))
        return Quantity("time", seconds, 1.0, False, start, end)
    number = float(match["number"])
    whole = "." not in match["number"]
    for name, unit in _SECONDS.items():
        if match[name]:
            return Quantity("time", number * unit, unit, whole, start, end)
    if match["percent"]:
        return Quantity("percent", number, 1.0, whole, start, end)
    if match["of"]:
        of = float(match["of"])
        return Quantity(
            "percent" if of else "other", 100 * number / (of or 1), 1.0, whole, start, end
        )
    kind: Kind = "other" if match["count"] or match["ordinal"] else "bare"
    return Quantity(kind, number, 1.0, whole, start, end)


def _merged(text: str, found: Sequence[Quantity]) -> list[Quantity]:
    """Make one time of what is written in parts, as "1 min 5 s" or "1h30" is."""
    merged: list[Quantity] = []
    smallest = 0.0
    for quantity in found:
        unit = quantity.unit if quantity.kind == "time" else 0.0
        if merged and merged[-1].kind == "time" and smallest >= 60:
            gap = text[merged[-1].end : quantity.start]
            if not gap and quantity.kind == "bare":
                unit = smallest / 60
            seconds = quantity.value if quantity.kind == "time" else quantity.value * unit
            # "between 1 minute and 90 seconds" names two times.
            if 0 < unit < smallest and seconds < smallest and _COMPOUND_GAP.fullmatch(gap):
                first = merged[-1]
                merged[-1] = replace(first, value=first.value + seconds, end=quantity.end)
                smallest = unit
                continue
        merged.append(quantity)
        smallest = unit
    return merged


def _numbers_a_list(text: str, quantity: Quantity) -> bool:
    """Whether a number is that of an item in a list, as in "2. The car turns"."""
    if quantity.kind != "bare" or not quantity.whole or quantity.value >= 100:
        return False
    before = ("\n" + text)[max(0, quantity.start - 8) : quantity.start + 1]
    return bool(_LIST_BEFORE.search(before) and _LIST_AFTER.match(text, quantity.end))


def _is_number_of_something(text: str, found: Sequence[Quantity], index: int) -> bool:
    """Whether a number is that of a frame or the like, a duration, or negative."""
    quantity = found[index]
    before = text[max(0, quantity.start - 40) : quantity.start]
    if quantity.kind in ("bare", "time") and before.endswith(("-", "\u2212")):
        follows = index > 0 and _gap(text, found[index - 1], quantity) is not None
        return not follows and not before[-2:-1].isalnum()
    if quantity.kind == "time":
        lasts = _LASTS_BEFORE.search(before) or _LASTS_AFTER.match(text, quantity.end)
        return lasts is not None
    return quantity.kind == "bare" and _NAMED_BEFORE.search(before) is not None


def _like(
    quantity: Quantity, other: Quantity, text: str, first: Quantity, second: Quantity
) -> Quantity:
    """Return a number that says nothing of itself as the other end of its range says it."""
    # "the 3rd to the 7th second"
    ordinal = text[quantity.end - 2 : quantity.end].lower() in ("st", "nd", "rd", "th")
    if quantity.kind != "bare" and not (ordinal and other.kind == "time"):
        return quantity
    if other.kind == "bare" or not _joined(text, first, second):
        return quantity
    if other.kind != "time":
        return replace(quantity, kind=other.kind)
    # "30 to 1 minute" starts at 30 seconds.
    minutes_too_late = quantity is first and quantity.value * other.unit > other.value
    unit = min(other.unit, 1.0) if minutes_too_late else other.unit
    return replace(quantity, kind="time", value=quantity.value * unit, unit=unit)


def _gap(text: str, first: Quantity, second: Quantity) -> re.Match[str] | None:
    if second.start - first.end > _LONGEST_GAP:
        return None
    return _RANGE_GAP.fullmatch(text, first.end, second.start)


def _joined(text: str, first: Quantity, second: Quantity) -> bool:
    """Whether two neighbours are the ends of a range."""
    gap = _gap(text, first, second)
    if gap is None:
        return False
    opened = _OPENED.search(text[max(0, first.start - 40) : first.start]) is not None
    if gap["and"]:
        # "at 12 s and 2 dogs"
        return opened or (second.kind != "bare" and first.kind in ("bare", second.kind))
    if gap["comma"]:
        return first.kind in ("bare", "other") and second.kind == "bare"
    # "12 s - 2 dogs appear"
    return not (
        gap["dash"]
        and not opened
        and second.kind == "bare"
        and _COUNTS.match(text, second.end, second.end + 20)
    )


def _is_cued(text: str, quantity: Quantity) -> bool:
    before = text[max(0, quantity.start - 60) : quantity.start]
    if _CUE.search(before):
        return True
    return bool(_SIGN.search(before)) and not _COUNTS.match(text, quantity.end, quantity.end + 20)
