"""What a server complains of, in whatever form it says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from videoseg.text import shorten

__all__ = ["Complaint", "complaint_of", "is_passing", "read_complaint"]

_PASSING = frozenset({408, 409, 425, 429})
# Not implemented, another HTTP version, and a network that wants a login first.
_LASTING = frozenset({501, 505, 511})
_WORDS = ("error", "message", "msg", "detail", "details", "errors", "error_message")
_STATUSES = ("status", "code", "status_code", "http_status", "type")
# Names that stand for a status, as hosted services write them.
_NAMED = (
    (re.compile(r"rate.?limit|too.?many.?requests|resource.?exhausted|throttl"), 429),
    (re.compile(r"overload|unavailable"), 503),
    (re.compile(r"time.?out"), 504),
    (re.compile(r"server.?error|internal|api.?error"), 500),
)
_MOST = 8


@dataclass(frozen=True, slots=True)
class Complaint:
    """A complaint.

    Args:
        words: The server's own words, and the fields of the request they are about.
        status: The HTTP status it stands for, if it says.
    """

    words: str
    status: int | None


def is_passing(status: int | None) -> bool:
    """Return whether a request that got this status may succeed a moment later."""
    if status is None:
        return False
    return status in _PASSING or (500 <= status < 600 and status not in _LASTING)


def complaint_of(answer: Mapping[str, Any]) -> Complaint | None:
    """Return what an answer with a status of success complains of; None if it is an answer."""
    if answer.get("error"):
        return read_complaint(answer)
    choices = answer.get("choices")
    if isinstance(choices, list) and choices:
        # Routers report so what happened to the provider behind them.
        broken = (choice for choice in choices if isinstance(choice, dict) and choice.get("error"))
        first = next(broken, None)
        return None if first is None else read_complaint(first)
    if "data" in answer or next(_words(answer, 0), None) is None:
        return None
    return read_complaint(answer)


def read_complaint(answer: Any) -> Complaint:
    """Read an answer that is known to be a complaint."""
    words = list(dict.fromkeys(_words(answer, 0)))
    return Complaint("; ".join(words) or shorten(answer, 300), _status(answer))


def _words(said: Any, depth: int) -> Iterator[str]:
    if isinstance(said, str):
        if said.strip():
            yield said.strip()
    elif depth > _MOST:
        return
    elif isinstance(said, list):
        for item in said[:_MOST]:
            yield from _words(item, depth + 1)
    elif isinstance(said, dict):
        inner = [text for name in _WORDS for text in _words(said.get(name), depth + 1)]
        metadata = said.get("metadata")
        if isinstance(metadata, dict):
            # A router's copy of what the provider behind it said.
            inner += _words(metadata.get("raw"), depth + 1)
        place = _place(said)
        if place and not any(place in text for text in inner):
            inner = [f"{place}: {inner[0]}", *inner[1:]] if inner else [place]
        yield from inner


def _place(said: Mapping[str, Any]) -> str:
    """Return which part of the request a complaint is about."""
    steps = said.get("loc")
    if isinstance(steps, list):
        named = [str(step) for step in steps[:_MOST] if isinstance(step, (str, int))]
        return ".".join(name for name in named if name != "body")
    param = said.get("param")
    return param if isinstance(param, str) else ""


def _status(said: Any) -> int | None:
    if isinstance(said, list):
        said = said[0] if said else None
    if not isinstance(said, dict):
        return None
    inner = said.get("error")
    if isinstance(inner, (dict, list)) and (status := _status(inner)) is not None:
        return status
    values = [said.get(name) for name in _STATUSES]
    words = [str(value)[:4] for value in values]
    numbers = [int(word) for word in words if re.fullmatch(r"[45]\d\d", word)]
    if numbers:
        return numbers[0]
    named = " ".join(value for value in values if isinstance(value, str)).lower()[:200]
    return next((status for pattern, status in _NAMED if pattern.search(named)), None)
