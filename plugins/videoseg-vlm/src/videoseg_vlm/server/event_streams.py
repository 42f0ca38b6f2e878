"""Answers that come as a stream of events, though they were not asked for that way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from videoseg.text import parse_json

__all__ = ["read_events"]

_DONE = object()
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def read_events(text: str) -> Any:
    """Return the answer that the events of a body make up together.

    Args:
        text: Server-sent events. The data of each is a whole answer, an error, or a chunk of an
            answer, whose choices hold a ``delta`` instead of a ``message``.

    Raises:
        ValueError: If an event is no JSON, or the stream ends before the answer does.
    """
    answer: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    is_over = False
    for event in _events(text):
        if event is _DONE:
            is_over = True
            break
        if not isinstance(event, dict):
            continue
        if event.get("error"):
            return event
        answer.update({name: value for name, value in event.items() if value is not None})
        listed = event.get("choices")
        for chunk in listed if isinstance(listed, list) else ():
            if isinstance(chunk, dict):
                index = chunk.get("index")
                choices.setdefault(index if isinstance(index, int) else 0, _Choice()).add(chunk)
    is_over = is_over or all(choice.is_over for choice in choices.values())
    if not answer or not is_over:
        raise ValueError("the stream of events ends before the answer does")
    if choices:
        answer["choices"] = [choices[index].whole() for index in sorted(choices)]
    return answer


def _events(text: str) -> Iterator[Any]:
    """Yield what the events hold; ``_DONE`` for the one that ends the stream."""
    lines: list[str] = []
    # Not splitlines(), which also splits at separators that JSON leaves unescaped in text.
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            lines.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and lines:
            yield from _values(lines)
            lines = []


def _values(lines: list[str]) -> Iterator[Any]:
    try:
        yield _value("\n".join(lines))
    except ValueError:
        if len(lines) == 1:
            raise
        # Some servers leave out the empty line that should end each event.
        for line in lines:
            yield _value(line)


def _value(data: str) -> Any:
    return _DONE if data.strip() == "[DONE]" else parse_json(data)


class _Choice:
    """One choice, as far as it has arrived."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._pieces: dict[str, list[Any]] = {}

    @property
    def is_over(self) -> bool:
        return bool(self._fields.get("finish_reason"))

    def add(self, chunk: Mapping[str, Any]) -> None:
        self._fields.update({name: value for name, value in chunk.items() if value is not None})
        delta = chunk.get("delta")
        if not isinstance(delta, dict):
            return
        for name in _TEXTS:
            piece = delta.get(name)
            if isinstance(piece, str):
                self._pieces.setdefault(name, []).append(piece)
            elif isinstance(piece, list):
                self._pieces.setdefault(name, []).extend(piece)

    def whole(self) -> dict[str, Any]:
        if not self._pieces:
            return self._fields
        message = {name: _joined(pieces) for name, pieces in self._pieces.items()}
        return {**self._fields, "message": message}


def _joined(pieces: list[Any]) -> Any:
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    # Some servers send content as a list of parts.
    return [{"text": piece} if isinstance(piece, str) else piece for piece in pieces]
