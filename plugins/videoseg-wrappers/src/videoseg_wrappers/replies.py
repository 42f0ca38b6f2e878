"""Reading of replies: the JSON that a chat model was asked for, among whatever it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from videoseg.text import printable, shorten_text

__all__ = [
    "Verdict",
    "describe_error",
    "find_mapping",
    "read_numbers",
    "read_text",
    "read_verdict",
]

Verdict: TypeAlias = Literal["yes", "no", "unsure"]

_MAX_CHARACTERS = 100_000
# Each attempt at a brace that begins nothing takes time.
_MAX_ATTEMPTS = 200
_MAX_TEXT = 400
_MAX_ERROR = 300
_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)

_WORDS: Mapping[str, Verdict] = {
    **dict.fromkeys(("yes", "true", "present", "supported", "consistent"), "yes"),
    **dict.fromkeys(("no", "false", "absent", "contradicted", "inconsistent"), "no"),
    **dict.fromkeys(("unsure", "unclear", "unknown", "uncertain", "maybe", "not sure"), "unsure"),
}


def find_mapping(text: str, *keys: str) -> dict[str, Any] | None:
    """Return the last JSON object of a reply that has at least one of the keys.

    Text around it, code fences and reasoning in ``<think>`` are passed over.

    Example:
        >>> find_mapping('Well: {"verdict": "no"}', "verdict")
        {'verdict': 'no'}
    """
    text = _THINKING.sub("", text[-_MAX_CHARACTERS:])
    decoder = json.JSONDecoder()
    found: dict[str, Any] | None = None
    place = text.find("{")
    for _ in range(_MAX_ATTEMPTS):
        if place < 0:
            break
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if isinstance(value, dict) and any(key in value for key in keys):
            found = value
        place = text.find("{", end)
    return found


def read_verdict(value: object) -> Verdict | None:
    """Return yes, no or unsure; None for anything else.

    Example:
        >>> read_verdict("No."), read_verdict(True), read_verdict("perhaps not there")
        ('no', 'yes', None)
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return None
    return _WORDS.get(value.strip(" .!\"'").lower())


def read_numbers(value: object, *, largest: int) -> tuple[int, ...]:
    """Return the whole numbers from 1 to ``largest`` in a value, each once, in order."""
    given: Iterable[object] = value if isinstance(value, list) else (value,)
    numbers = []
    for one in given:
        if isinstance(one, str) and one.strip().isdecimal() and len(one) < 10:
            one = int(one)
        if isinstance(one, int | float) and not isinstance(one, bool) and one == one // 1:
            numbers.append(int(one))
    return tuple(dict.fromkeys(n for n in numbers if 1 <= n <= largest))


def read_text(value: object) -> str:
    """Return a short text of one line; empty if there is none."""
    return _one_line(value, _MAX_TEXT) if isinstance(value, str) else ""


def describe_error(error: Exception) -> str:
    """Return the kind of an error and its message in one short line."""
    try:
        text = str(error)
    # The message may come from a plug-in's code; what was computed must not be lost by it.
    except Exception:
        text = ""
    return f"{type(error).__name__}: {_one_line(text, _MAX_ERROR) or 'no message'}"


def _one_line(text: str, length: int) -> str:
    # Many characters may become one blank, but not without end.
    return shorten_text(printable(" ".join(text[: 10 * length].split())), length)
