"""Times and positions as language models write them.

JSON comes first. In running text, a number counts if it is marked: a clock form, or a unit or a
percent sign after it. Bare numbers count only if none is marked.
"""

# ruff: noqa: RUF001 - models write other alphabets, too

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from videoseg_r1.parsing.json_text import read_values
from videoseg_r1.parsing.reasoning import split_answer

__all__ = [
    "find_quantities",
    "parse_percent",
    "parse_span",
    "parse_time",
    "parse_timestamp",
    "strip_reasoning",
]

_START_KEYS = ("start", "start_time", "begin", "from", "start_s", "t_start")
_END_KEYS = ("end", "end_time", "stop", "to", "end_s", "t_end")
_PERCENT_KEYS = ("percent", "percentage", "position", "p")
_TIME_KEYS = ("keyframe_timestamp", "timestamp", "time", "seconds", "t")
_MAX_CHARACTERS = 20_000

# "I am 90 % sure"
_SURE = re.compile(r"\W{0,3}(?:sure|certain|confiden)", re.IGNORECASE)
_LAST = re.compile(r"\b(?:last|final)\s{1,3}$", re.IGNORECASE)


# "2,5 s", but neither "[2,5]" nor "1,200 ms"
_DECIMAL_COMMA = re.compile(r"(?<![\d.,:])(\d{1,9}),(\d{1,2})(?=\s{0,3}(?:%|[-–—]\s?\d|[^\W\d_]))")
_OTHER_LANGUAGES = [
    (re.compile(words, re.IGNORECASE), english)
    for words, english in (
        (r"(?<=\d)\s{0,3}(?:minuten|minutos?|minuti|минут\w*|мин\b|分[钟鐘]?|분)", "min"),
        (
            r"(?<=\d)\s{0,3}(?:sekunden?|secondes?|segundos?|second[io]|секунд\w*|сек\b|с\b|秒鐘?"
            r"|초)",
            " s",
        ),
        (
            r"(?<=[\dsn])\s{0,3}(?:\b(?:bis|à|hasta|até|до|по|al?(?=\s\d[\d.:]{0,9}\s?(?:s|min)\b))"
            r"|至|到|から|부터)\s{0,3}(?=\d)",
            " to ",
        ),
    )
]


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


def strip_reasoning(text: str) -> str:
    """Return the answer of a model without its reasoning, even if that never ends."""
    return split_answer(text)[1][-_MAX_CHARACTERS:]


def parse_span(text: str) -> tuple[float, float] | None:
    """Return the (start, end) in seconds that an answer gives, or None if it gives none.

    Reads JSON with ``start`` and ``end``, or a list of two; then marked times (``mm:ss.ff``,
    ``h:mm:ss``, ``12s``, ``1 min 5 s``; in ``3 to 7.5 s`` both are); and bare numbers only if
    there is no marked time. A range such as ``12s - 15.5s`` takes precedence over two separate
    times. List numbers, frame numbers and percentages are not times. A reversed span is swapped.

    Example:
        >>> parse_span('{"start": "00:02.5", "end": 6}')
        (2.5, 6.0)
        >>> parse_span("from 12s to 9.5 s")
        (9.5, 12.0)
        >>> parse_span("2 dogs run from 3 to 7.5 seconds")
        (3.0, 7.5)
    """
    text = _translate(strip_reasoning(text))
    for value in _list_values(read_values(text)):
        if isinstance(value, Mapping):
            start, end = _get_first(value, _START_KEYS), _get_first(value, _END_KEYS)
            if start is not None and end is not None:
                return _make_span(parse_time(start), parse_time(end))
        elif len(value) == 2 and (span := _make_span(*map(parse_time, value))) is not None:
            return span
    return _find_span(_drop_cut_off_number(text))


def parse_time(value: object) -> float | None:
    """Return seconds from a number or from text such as ``"1:02.5"``, or None.

    Of a range such as ``"3-4 s"`` it is the middle.

    Example:
        >>> parse_time("1:02.5"), parse_time(3), parse_time("1m5s"), parse_time("soon")
        (62.5, 3.0, 65.0, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) and value >= 0 else None
    return _find_time(value[:100]) if isinstance(value, str) else None


def parse_timestamp(text: str) -> float | None:
    """Return the single time in seconds that an answer gives, or None; the middle of a range.

    Reads JSON, then running text as ``parse_span`` does.

    Example:
        >>> parse_timestamp('{"keyframe_timestamp": 7}')
        7.0
    """
    text = _translate(strip_reasoning(text))
    for value in _list_values(read_values(text)):
        if isinstance(value, Mapping):
            found = parse_time(_get_first(value, _TIME_KEYS))
            if found is not None:
                return found
    return _find_time(_drop_cut_off_number(text))


def parse_percent(text: str) -> float | None:
    """Return the position in [0, 1] that an answer gives, or None if it gives none.

    A whole number is a percentage, a fraction of at most 1 a share; ``last 20%`` is 0.8, and
    ``30-40%`` the middle of it. List numbers, frame numbers and times are not positions.

    Example:
        >>> parse_percent('{"percent": 35}'), parse_percent("0.4"), parse_percent("the last 20 %")
        (0.35, 0.4, 0.8)
    """
    text = _translate(strip_reasoning(text))
    for value in _list_values(read_values(text)):
        if isinstance(value, Mapping):
            given = _get_first(value, _PERCENT_KEYS)
            if isinstance(given, str):
                return _find_position(given)
            if isinstance(given, int | float) and not isinstance(given, bool):
                return _make_share(float(given), fraction=isinstance(given, float))
    return _find_position(_drop_cut_off_number(text))


def _translate(text: str) -> str:
    """Return a text with its times in English notation: "2.5 s" for "2,5 Sekunden"."""
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    for words, english in _OTHER_LANGUAGES:
        text = words.sub(english, text)
    return text


def _find_span(text: str) -> tuple[float, float] | None:
    found = find_quantities(text)
    kind: Kind = "time" if any(quantity.kind == "time" for quantity in found) else "bare"
    for first, second in _find_ranges(text, found, kind):
        return _make_span(first.value, second.value)
    times = [quantity.value for quantity in _find_marked(text, found, "time")]
    # Three or more bare numbers are ambiguous.
    if len(times) == 2 or (len(times) > 2 and kind == "time"):
        return _make_span(times[0], times[1])
    return None


def _find_time(text: str) -> float | None:
    named = _find_first(text, find_quantities(text), "time")
    return sum(quantity.value for quantity in named) / len(named) if named else None


def _find_position(text: str) -> float | None:
    found = [quantity for quantity in find_quantities(text) if not _SURE.match(text, quantity.end)]
    named = _find_first(text, found, "percent")
    shares = [
        _make_share(quantity.value, fraction=quantity.kind == "bare" and not quantity.whole)
        for quantity in named
    ]
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    share = sum(known) / len(known)
    return 1 - share if _LAST.search(text[: named[0].start][-12:]) else share


def _find_first(text: str, found: Sequence[Quantity], kind: Kind) -> list[Quantity]:
    """Return the first number that can be of a kind; both ends, if it starts a range."""
    first = next(iter(_find_marked(text, found, kind)), None)
    if first is None:
        return []
    pairs = _find_ranges(text, found, first.kind)
    return next((list(pair) for pair in pairs if pair[0] is first), [first])


def _drop_cut_off_number(text: str) -> str:
    """Return a text without its last number, if the text breaks off there."""
    if any(text.count(opening) > text.count(closing) for opening, closing in ("{}", "[]")):
        return text.rstrip("0123456789.:")
    return text


def _make_share(number: float, *, fraction: bool) -> float | None:
    share = number if fraction and number <= 1 else number / 100
    return share if 0 <= share <= 1 else None


def _make_span(start: float | None, end: float | None) -> tuple[float, float] | None:
    if start is None or end is None:
        return None
    return (start, end) if start <= end else (end, start)


def _get_first(mapping: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((mapping[key] for key in keys if key in mapping), None)


def _list_values(values: Sequence[Any]) -> list[Any]:
    """Return lists and mappings, and those one level deeper in the lists."""
    inner = [item for value in values if isinstance(value, list) for item in value]
    return [*values, *(item for item in inner if isinstance(item, Mapping | list))]


# -- numbers in running text ---------------------------------------------------------------


def find_quantities(text: str) -> list[Quantity]:
    """Return the numbers of a text in order, each with its kind; list numbers are skipped.

    A bare number in a range takes the unit of the other end: in "from 3 to 7.5 seconds" both
    are times, in "20 to 40 %" both percentages, in "frames 12 to 40" both neither. Takes time
    proportional to the text.

    Example:
        >>> [(q.kind, q.value) for q in find_quantities("2. It runs from 3 to 1 min 5 s, at 40%")]
        [('time', 3.0), ('time', 65.0), ('percent', 40.0)]
    """
    found = _merge_parts(text, [_read_quantity(match) for match in _QUANTITY.finditer(text)])
    # A text with a single number is not a list.
    if len(found) > 1:
        found = [quantity for quantity in found if not _is_list_number(text, quantity)]
    found = [
        replace(quantity, kind="other") if _counts_something_else(text, found, i) else quantity
        for i, quantity in enumerate(found)
    ]
    # The end of a range determines the kind of its start, before the start does of the end.
    for i in reversed(range(len(found) - 1)):
        if _are_range(text, found[i], found[i + 1]):
            found[i] = _take_unit_of(found[i + 1], text, found[i], is_start=True)
    for i in range(1, len(found)):
        if _are_range(text, found[i - 1], found[i]):
            found[i] = _take_unit_of(found[i - 1], text, found[i], is_start=False)
    return found


def _find_ranges(
    text: str, found: Sequence[Quantity], kind: Kind
) -> list[tuple[Quantity, Quantity]]:
    """Return the pairs of neighbors that form a range, as in "3 s - 7 s"."""
    return [
        (first, second)
        for first, second in pairwise(found)
        if first.kind == second.kind == kind and _are_range(text, first, second)
    ]


def _find_marked(text: str, found: Sequence[Quantity], kind: Kind) -> list[Quantity]:
    """Return the numbers with a unit or sign of a kind; if there are none, the bare ones.

    Of the bare ones, those after a word such as "at" or "from"; if there are none of these
    either, those that count nothing, unlike the first one in "2 dogs, 7".
    """
    marked = [quantity for quantity in found if quantity.kind == kind]
    if marked:
        return marked
    bare = [quantity for quantity in found if quantity.kind == "bare"]
    cued = [quantity for quantity in bare if _is_cued(text, quantity)]
    return cued or [q for q in bare if not _COUNTS.match(text, q.end, q.end + 20)]


def _read_quantity(match: re.Match[str]) -> Quantity:
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


def _merge_parts(text: str, found: Sequence[Quantity]) -> list[Quantity]:
    """Merge times that are written in parts, as "1 min 5 s" or "1h30"."""
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


def _is_list_number(text: str, quantity: Quantity) -> bool:
    """Return whether a number is that of a list item, as in "2. The car turns"."""
    if quantity.kind != "bare" or not quantity.whole or quantity.value >= 100:
        return False
    before = ("\n" + text)[max(0, quantity.start - 8) : quantity.start + 1]
    return bool(_LIST_BEFORE.search(before) and _LIST_AFTER.match(text, quantity.end))


def _counts_something_else(text: str, found: Sequence[Quantity], index: int) -> bool:
    """Return whether a number is a frame number or the like, a duration, or negative."""
    quantity = found[index]
    before = text[max(0, quantity.start - 40) : quantity.start]
    if quantity.kind in ("bare", "time") and before.endswith(("-", "\u2212")):
        follows = index > 0 and _match_gap(text, found[index - 1], quantity) is not None
        return not follows and not before[-2:-1].isalnum()
    if quantity.kind == "time":
        lasts = _LASTS_BEFORE.search(before) or _LASTS_AFTER.match(text, quantity.end)
        return lasts is not None
    return quantity.kind == "bare" and _NAMED_BEFORE.search(before) is not None


def _take_unit_of(other: Quantity, text: str, quantity: Quantity, *, is_start: bool) -> Quantity:
    """Return a bare number with the kind and unit of the other end of its range."""
    # "the 3rd to the 7th second"
    ordinal = text[quantity.end - 2 : quantity.end].lower() in ("st", "nd", "rd", "th")
    may_take = quantity.kind == "bare" or (ordinal and other.kind == "time")
    if not may_take or other.kind == "bare":
        return quantity
    if other.kind != "time":
        return replace(quantity, kind=other.kind)
    # "30 to 1 minute" starts at 30 seconds.
    minutes_too_late = is_start and quantity.value * other.unit > other.value
    unit = min(other.unit, 1.0) if minutes_too_late else other.unit
    return replace(quantity, kind="time", value=quantity.value * unit, unit=unit)


def _match_gap(text: str, first: Quantity, second: Quantity) -> re.Match[str] | None:
    if second.start - first.end > _LONGEST_GAP:
        return None
    return _RANGE_GAP.fullmatch(text, first.end, second.start)


def _are_range(text: str, first: Quantity, second: Quantity) -> bool:
    """Return whether two neighbors are the ends of a range."""
    gap = _match_gap(text, first, second)
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
