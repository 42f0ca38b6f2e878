"""Times and positions as language models write them.

What is JSON comes first. In running text a number counts that says what it is: a clock form, or
a unit or percent sign behind it. Bare numbers count only if none does.
"""

# ruff: noqa: RUF001 - models write other alphabets, too

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from videoseg_r1.quantities import Kind, Quantity, marked_or_bare, quantities, ranges
from videoseg_r1.relaxed_json import read_values
from videoseg_r1.thinking import split_answer

__all__ = ["after_thinking", "parse_percent", "parse_span", "parse_time", "parse_timestamp"]

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


def after_thinking(text: str) -> str:
    """Return what a model answers: nothing of its thinking, even if it never ends."""
    return split_answer(text)[1][-_MAX_CHARACTERS:]


def parse_span(text: str) -> tuple[float, float] | None:
    """Return the (start, end) in seconds that an answer gives, or None if it gives none.

    Reads JSON with ``start`` and ``end``, or a list of two; then times that say that they are
    times (``mm:ss.ff``, ``h:mm:ss``, ``12s``, ``1 min 5 s``; in ``3 to 7.5 s`` both are); and
    bare numbers only where there is no such time. A range such as ``12s - 15.5s`` goes before
    two times that stand apart. List numbers, frame numbers and percentages are no times. A
    reversed span is turned round.

    Example:
        >>> parse_span('{"start": "00:02.5", "end": 6}')
        (2.5, 6.0)
        >>> parse_span("from 12s to 9.5 s")
        (9.5, 12.0)
        >>> parse_span("2 dogs run from 3 to 7.5 seconds")
        (3.0, 7.5)
    """
    text = _in_english(after_thinking(text))
    for value in _each(read_values(text)):
        if isinstance(value, Mapping):
            pair = (_first(value, _START_KEYS), _first(value, _END_KEYS))
            if None not in pair:
                return _span(parse_time(pair[0]), parse_time(pair[1]))
        elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            pair = (value[0], value[1])
        else:
            continue
        if (span := _span(parse_time(pair[0]), parse_time(pair[1]))) is not None:
            return span
    return _span_in(_without_cut_off_number(text))


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
    return _time_in(value[:100]) if isinstance(value, str) else None


def parse_timestamp(text: str) -> float | None:
    """Return the single time in seconds that an answer gives, or None; the middle of a range.

    Reads JSON, then running text as ``parse_span`` does.

    Example:
        >>> parse_timestamp('{"keyframe_timestamp": 7}')
        7.0
    """
    text = _in_english(after_thinking(text))
    for value in _each(read_values(text)):
        if isinstance(value, Mapping):
            found = parse_time(_first(value, _TIME_KEYS))
            if found is not None:
                return found
    return _time_in(_without_cut_off_number(text))


def parse_percent(text: str) -> float | None:
    """Return the position in [0, 1] that an answer gives, or None if it gives none.

    A whole number is a percentage, a fraction of at most 1 a share; ``last 20%`` is 0.8, and
    ``30-40%`` the middle of it. List numbers, frame numbers and times are no positions.

    Example:
        >>> parse_percent('{"percent": 35}'), parse_percent("0.4"), parse_percent("the last 20 %")
        (0.35, 0.4, 0.8)
    """
    text = _in_english(after_thinking(text))
    for value in _each(read_values(text)):
        if isinstance(value, Mapping):
            given = _first(value, _PERCENT_KEYS)
            if isinstance(given, str):
                return _position(given)
            if isinstance(given, int | float) and not isinstance(given, bool):
                return _share(float(given), fraction=isinstance(given, float))
    return _position(_without_cut_off_number(text))


def _in_english(text: str) -> str:
    """Return a text with its times as in English: "2.5 s" for "2,5 Sekunden"."""
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    for words, english in _OTHER_LANGUAGES:
        text = words.sub(english, text)
    return text


def _span_in(text: str) -> tuple[float, float] | None:
    found = quantities(text)
    kind: Kind = "time" if any(quantity.kind == "time" for quantity in found) else "bare"
    for first, second in ranges(text, found, kind):
        return _span(first.value, second.value)
    times = [quantity.value for quantity in marked_or_bare(text, found, "time")]
    # Of three or more bare numbers nobody knows which two are meant.
    if len(times) == 2 or (len(times) > 2 and kind == "time"):
        return _span(times[0], times[1])
    return None


def _time_in(text: str) -> float | None:
    named = _first_named(text, quantities(text), "time")
    return sum(quantity.value for quantity in named) / len(named) if named else None


def _position(text: str) -> float | None:
    found = [quantity for quantity in quantities(text) if not _SURE.match(text, quantity.end)]
    named = _first_named(text, found, "percent")
    shares = [
        _share(quantity.value, fraction=quantity.kind == "bare" and not quantity.whole)
        for quantity in named
    ]
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    share = sum(known) / len(known)
    return 1 - share if _LAST.search(text[: named[0].start][-12:]) else share


def _first_named(text: str, found: Sequence[Quantity], kind: Kind) -> list[Quantity]:
    """Return the first number that may be of a kind; both ends, if it starts a range."""
    first = next(iter(marked_or_bare(text, found, kind)), None)
    if first is None:
        return []
    pairs = ranges(text, found, first.kind)
    return next((list(pair) for pair in pairs if pair[0] is first), [first])


def _without_cut_off_number(text: str) -> str:
    """Return a text without the number it ends with, if that may have lost its last digits."""
    if any(text.count(opening) > text.count(closing) for opening, closing in ("{}", "[]")):
        return text.rstrip("0123456789.:")
    return text


def _share(number: float, *, fraction: bool) -> float | None:
    share = number if fraction and number <= 1 else number / 100
    return share if 0 <= share <= 1 else None


def _span(start: float | None, end: float | None) -> tuple[float, float] | None:
    if start is None or end is None:
        return None
    return (start, end) if start <= end else (end, start)


def _first(mapping: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((mapping[key] for key in keys if key in mapping), None)


def _each(values: Sequence[Any]) -> list[Any]:
    """Return the values, and what stands one level deeper in lists of mappings."""
    inner = [item for value in values if isinstance(value, list) for item in value]
    return [*values, *(item for item in inner if isinstance(item, Mapping | list))]
