"""Times and positions as language models write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from videoseg_r1.answers import split_answer
from videoseg_r1.relaxed_json import read_values

__all__ = ["after_thinking", "parse_percent", "parse_span", "parse_time", "parse_timestamp"]

_TIME = re.compile(
    r"(?P<clock>(?:\d{1,3}:)?\d{1,3}:\d{1,2}(?:\.\d+)?)"
    r"|(?P<number>\d{1,9}(?:\.\d+)?)\s*(?P<unit>milliseconds|ms|minutes?|min|hours?|h\b)?",
    re.IGNORECASE,
)
_UNITS = {"m": 60.0, "h": 3600.0}
_PERCENT = re.compile(
    r"(?P<last>\b(?:last|final)\s+)?(?P<number>\d{1,9}(?:\.\d*)?)\s*(?P<sign>%|percent)?",
    re.IGNORECASE,
)
_START_KEYS = ("start", "start_time", "begin", "from", "start_s", "t_start")
_END_KEYS = ("end", "end_time", "stop", "to", "end_s", "t_end")
_PERCENT_KEYS = ("percent", "percentage", "position", "p")
_TIME_KEYS = ("keyframe_timestamp", "timestamp", "time", "seconds", "t")
_MAX_CHARACTERS = 20_000


def after_thinking(text: str) -> str:
    """Return what a model answers: nothing of its thinking, even if it never ends."""
    return split_answer(text)[1][-_MAX_CHARACTERS:]


def parse_span(text: str) -> tuple[float, float] | None:
    """Return the (start, end) in seconds that an answer gives, or None if it gives none.

    Reads JSON with ``start`` and ``end``, a list of two, ``mm:ss.ff``, ``h:mm:ss``,
    ``12s - 15.5s`` and bare pairs. A reversed span is turned round.

    Example:
        >>> parse_span('{"start": "00:02.5", "end": 6}')
        (2.5, 6.0)
        >>> parse_span("from 12s to 9.5 s")
        (9.5, 12.0)
    """
    text = after_thinking(text)
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
    times = [_seconds(match) for match in _TIME.finditer(text)]
    return _span(times[0], times[1]) if len(times) >= 2 else None


def parse_time(value: object) -> float | None:
    """Return seconds from a number or from text such as ``"1:02.5"``, or None.

    Example:
        >>> parse_time("1:02.5"), parse_time(3), parse_time("12 s"), parse_time("soon")
        (62.5, 3.0, 12.0, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) and value >= 0 else None
    if isinstance(value, str) and (match := _TIME.search(value[:100])) is not None:
        return _seconds(match)
    return None


def parse_timestamp(text: str) -> float | None:
    """Return the single time in seconds that an answer gives, or None.

    Example:
        >>> parse_timestamp('{"keyframe_timestamp": 7}')
        7.0
    """
    text = after_thinking(text)
    for value in _each(read_values(text)):
        if isinstance(value, Mapping):
            found = parse_time(_first(value, _TIME_KEYS))
            if found is not None:
                return found
    return parse_time(text)


def parse_percent(text: str) -> float | None:
    """Return the position in [0, 1] that an answer gives, or None if it gives none.

    A whole number is a percentage, a fraction of at most 1 a share; ``last 20%`` is 0.8.

    Example:
        >>> parse_percent('{"percent": 35}'), parse_percent("0.4"), parse_percent("the last 20 %")
        (0.35, 0.4, 0.8)
    """
    text = after_thinking(text)
    for value in _each(read_values(text)):
        if isinstance(value, Mapping):
            given = _first(value, _PERCENT_KEYS)
            if isinstance(given, str):
                return _position(given)
            if isinstance(given, int | float) and not isinstance(given, bool):
                return _share(float(given), fraction=isinstance(given, float))
    return _position(text)


def _position(text: str) -> float | None:
    signed = [match for match in _PERCENT.finditer(text) if match["sign"]]
    match = signed[0] if signed else _PERCENT.search(text)
    if match is None:
        return None
    fraction = "." in match["number"] and not match["sign"]
    share = _share(float(match["number"]), fraction=fraction)
    return 1 - share if share is not None and match["last"] else share


def _share(number: float, *, fraction: bool) -> float | None:
    share = number if fraction and number <= 1 else number / 100
    return share if 0 <= share <= 1 else None


def _span(start: float | None, end: float | None) -> tuple[float, float] | None:
    if start is None or end is None:
        return None
    return (start, end) if start <= end else (end, start)


def _seconds(match: re.Match[str]) -> float:
    if match["clock"]:
        parts = [float(part) for part in match["clock"].split(":")]
        return sum(part * float(60**power) for power, part in enumerate(reversed(parts)))
    number, unit = float(match["number"]), (match["unit"] or "").lower()
    if unit in ("ms", "milliseconds"):
        return number / 1000
    return number * _UNITS.get(unit[:1], 1.0)


def _first(mapping: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((mapping[key] for key in keys if key in mapping), None)


def _each(values: Sequence[Any]) -> list[Any]:
    """Return the values, and what stands one level deeper in lists of mappings."""
    inner = [item for value in values if isinstance(value, list) for item in value]
    return [*values, *(item for item in inner if isinstance(item, Mapping | list))]
