"""JSON as language models write it: fenced, single-quoted, with trailing commas, cut off."""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["CUT_OFF", "read_values"]

_MAX_CHARACTERS = 200_000
_MAX_DEPTH = 32
_MAX_ITEMS = 20_000

_SPACE = re.compile(r"[\s,;]*")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[A-Za-z_][\w.-]*")
_WORDS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "none": None,
    "nan": math.nan,
    "infinity": math.inf,
    "inf": math.inf,
}
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_AFTER_STRING = re.compile(r"\s{0,20}(?:[,:\]})=]|$)")
_OPENING = re.compile(r"[\[{]")


class _CutOff:
    """Stands for a value that the text ends in the middle of."""

    def __repr__(self) -> str:
        return "CUT_OFF"


CUT_OFF = _CutOff()
"""Stands for a value that the text ends in the middle of; never part of what is returned."""


def read_values(text: str) -> list[Any]:
    """Return every list and mapping at the top level of a text, leniently read.

    Anything between them is passed over. What is cut off at the end of the text is left out,
    and what stands whole before it is kept. Never raises, and takes time proportional to the
    text: nesting deeper than 32 and more than 20,000 items are not read.

    Args:
        text: Any text; only its first 200,000 characters are read.

    Example:
        >>> read_values("Here: [{'bbox_2d': [1, 2, 3, 4],}, {'bbox_2d': [5, 6")
        [[{'bbox_2d': [1, 2, 3, 4]}, {'bbox_2d': [5]}]]
    """
    reader = _Reader(text[:_MAX_CHARACTERS])
    values = []
    while (start := _OPENING.search(reader.text, reader.position)) is not None:
        reader.position = start.start()
        value = reader.strict_value()
        if value is CUT_OFF:
            value = reader.value(0)
        if value is not CUT_OFF:
            values.append(value)
    return values


class _Reader:
    """Reads values from left to right; every step takes at least one character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.items = 0
        self._strict = json.JSONDecoder(parse_int=_number)

    def strict_value(self) -> Any:
        """Read what is JSON as it should be; ``CUT_OFF`` if it is not."""
        try:
            value, self.position = self._strict.raw_decode(self.text, self.position)
        except (ValueError, RecursionError):
            return CUT_OFF
        return value

    def value(self, depth: int) -> Any:
        character = self.text[self.position : self.position + 1]
        if character in _CLOSING and character:
            return self._container(character, depth)
        if character in ('"', "'"):
            return self._string(character)
        if (number := _NUMBER.match(self.text, self.position)) is not None:
            self.position = number.end()
            # A number at the very end may have lost its last digits.
            return CUT_OFF if self._at_end() else _number(number.group())
        if (word := _WORD.match(self.text, self.position)) is not None:
            self.position = word.end()
            return _WORDS.get(word.group().lower(), word.group())
        self.position += 1
        return CUT_OFF

    def _container(self, opening: str, depth: int) -> Any:
        self.position += 1
        if depth >= _MAX_DEPTH:
            return CUT_OFF
        if opening == "{":
            return self._mapping(depth)
        values: list[Any] = []
        while not self._closed(opening):
            before = self.position
            value = self.value(depth + 1)
            if value is not CUT_OFF and self._may_add():
                values.append(value)
            self.position = max(self.position, before + 1)
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        while not self._closed("{"):
            before = self.position
            key = self.value(depth + 1)
            self._skip_space()
            if self.text[self.position : self.position + 1] in (":", "="):
                self.position += 1
                self._skip_space()
                value = CUT_OFF if self._at_end() else self.value(depth + 1)
                if isinstance(key, str) and value is not CUT_OFF and self._may_add():
                    pairs[key] = value
            self.position = max(self.position, before + 1)
        return pairs

    def _string(self, quote: str) -> Any:
        position = self.position + 1
        parts = []
        while position < len(self.text):
            character = self.text[position]
            if character == "\\" and position + 1 < len(self.text):
                escaped = self.text[position + 1]
                parts.append({"n": "\n", "t": "\t"}.get(escaped, escaped))
                position += 2
                continue
            position += 1
            # In 'the dog's ball' the second quote is an apostrophe.
            if character == quote and (quote == '"' or _AFTER_STRING.match(self.text, position)):
                self.position = position
                return "".join(parts)
            parts.append(character)
        self.position = position
        return CUT_OFF

    def _closed(self, opening: str) -> bool:
        """Whether the container ends here; passes over its closing bracket."""
        self._skip_space()
        if self._at_end():
            return True
        character = self.text[self.position]
        if character in ")]}":
            # A wrong bracket closes as well: models mix them up at the end of a list.
            self.position += 1
            return character == _CLOSING[opening] or character != ")"
        return False

    def _may_add(self) -> bool:
        self.items += 1
        return self.items <= _MAX_ITEMS

    def _skip_space(self) -> None:
        space = _SPACE.match(self.text, self.position)
        self.position = space.end() if space is not None else self.position

    def _at_end(self) -> bool:
        return self.position >= len(self.text)


def _number(text: str) -> float | int:
    if len(text) > 40:
        return math.inf
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
