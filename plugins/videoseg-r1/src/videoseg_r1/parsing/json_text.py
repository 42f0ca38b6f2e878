"""JSON as language models write it: fenced, commented, single-quoted, full-width, cut off."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["CUT_OFF", "Reading", "clean_text", "is_talk", "read", "read_values"]

_MAX_CHARACTERS = 200_000
_MAX_DEPTH = 32
_MAX_ITEMS = 20_000
# Each failed strict attempt takes time that grows with its position in the text.
_MAX_VAIN_ATTEMPTS = 200

_SPACE = re.compile(r"[\s,;]*")
# "#1" and "#ff0000" are not comments.
_COMMENT = re.compile(r"//|/\*|<!--|#(?=[A-Za-z]{0,30}[ \t])")
_STRUCTURE = re.compile(r'["\[\]{}]')
_NUMBER = re.compile(r"[-+]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_UNIT = re.compile(r"\s?(?:px|pixels?)(?![A-Za-z])|\s?[%‰]")
_WORD = re.compile(r"[A-Za-z_][\w.-]*")
_PHRASE = re.compile(r"[A-Za-z_][^,;:=\[\]{}()\"/#\n]*")
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
_AFTER_STRING = re.compile(r"\s{0,20}(?:[,:\]})=]|//|/\*|#|$)")
_LETTER = re.compile(r"[^\W\d_]")
_TAG = re.compile(r"<[^<>]{1,40}>")
# As many letters as "and also" may have.
_JOINING = 8
_OPENING = re.compile(r"[\[{]")

_QUOTES = {
    '"': '"',
    "'": "'",
    "“": "”“",
    "”": "”“",
    "„": "“”",
    "‟": "”",
    "＂": '＂"',
    "＇": "＇'",
    "‘": "’‘",
    "’": "’",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "「": "」",
    "『": "』",
}
"""The opening quotes of strings, and the quotes that close them."""

_APOSTROPHES = "'’‘＇"
"""Quotes that also occur inside words."""

# One character for one, so that positions in both texts are the same.
_PLAIN = str.maketrans(
    {chr(n): chr(n - 0xFEE0) for n in range(0xFF01, 0xFF5F) if chr(n) not in "＂＇"}
    | {"、": ",", "﹐": ",", "【": "[", "】": "]", "〔": "[", "〕": "]", "﹕": ":", "−": "-"}
)


class _CutOff:
    """The type of ``CUT_OFF``."""

    def __repr__(self) -> str:
        return "CUT_OFF"


CUT_OFF = _CutOff()
"""Marks a value that the text breaks off in; never returned."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The JSON values of a text.

    Args:
        values: Every list and mapping at its top level.
        cut_off: Whether the text breaks off in the last one.
        starts: The position in the text at which each of them starts.
        between: The text before the first of them, between them, and after the last.
    """

    values: list[Any]
    cut_off: bool
    starts: list[int]
    between: list[str]

    @property
    def prose(self) -> str:
        """The text outside of the values."""
        return " ".join(self.between)

    def has_parts(self) -> bool:
        """Return whether there are several lists of objects, or text between values."""
        lists = [value for value in self.values if isinstance(value, list)]
        if sum(any(isinstance(one, dict | list) for one in value) for value in lists) > 1:
            return True
        return any(map(is_talk, self.between[1:-1]))


def is_talk(text: str) -> bool:
    """Return whether a text between two values is more than a joining word or a tag."""
    return len(_LETTER.findall(_TAG.sub("", text[:1000]))) > _JOINING


def read_values(text: str) -> list[Any]:
    """Return every list and mapping at the top level of a text, leniently read.

    Text between them and comments inside them are skipped. Quotes may be single or
    typographic; brackets, commas and digits may be full-width. A number with a unit (``10px``,
    ``10%``) becomes text. A value that breaks off at the end of the text is dropped, and the
    complete ones before it are kept. A mapping with repeated keys becomes a list of mappings, if
    their values are lists or mappings. Never raises, and takes time proportional
    to the text: nesting deeper than 32 and more than 20,000 items are not read.

    Args:
        text: Any text; only its first 200,000 characters are read.

    Example:
        >>> read_values("Here: [{'bbox_2d': [1, 2, 3, 4],}, {'bbox_2d': [5, 6")
        [[{'bbox_2d': [1, 2, 3, 4]}, {'bbox_2d': [5]}]]
    """
    return read(text).values


def read(text: str) -> Reading:
    """Return what ``read_values`` returns, and where it stands in the text."""
    reader = _Reader(text[:_MAX_CHARACTERS])
    values = []
    starts = []
    prose = []
    while (start := _OPENING.search(reader.text, reader.position)) is not None:
        prose.append(reader.original[reader.position : start.start()])
        reader.position = start.start()
        value = reader.strict_value()
        if value is CUT_OFF:
            value = reader.value(0)
        if value is not CUT_OFF:
            values.append(value)
            starts.append(start.start())
    prose.append(reader.original[reader.position :])
    return Reading(values, reader.cut_off, starts, prose)


class _Reader:
    """Reads values from left to right; every step takes at least one character."""

    def __init__(self, text: str) -> None:
        self.original = text
        self.text = text.translate(_PLAIN)
        self.position = 0
        self.items = 0
        self.cut_off = False
        self._last_line_end = text.rfind("\n")
        self._strict = json.JSONDecoder(
            parse_int=_number, strict=False, object_pairs_hook=_mapping_of
        )
        self._strict_from = 0
        self._vain_attempts = 0

    def strict_value(self) -> Any:
        """Read what is JSON as it should be; ``CUT_OFF`` if it is not."""
        if self.position < self._strict_from:
            return CUT_OFF
        try:
            value, self.position = self._strict.raw_decode(self.original, self.position)
        except RecursionError:
            self._strict_from = len(self.text)
            return CUT_OFF
        except json.JSONDecodeError as error:
            # What was looked at in vain is not looked at again, or a text that goes wrong late
            # and often would take time that grows with its square. An unterminated string was
            # looked for until the end.
            self._vain_attempts += 1
            hopeless = error.msg.startswith("Unterminated")
            hopeless = hopeless or self._vain_attempts == _MAX_VAIN_ATTEMPTS
            self._strict_from = len(self.text) if hopeless else error.pos
            return CUT_OFF
        return value

    def value(self, depth: int) -> Any:
        character = self.text[self.position : self.position + 1]
        if character in _CLOSING and character:
            return self._container(character, depth)
        if character in _QUOTES and not self._is_apostrophe(character):
            return self._string(character)
        if (number := _NUMBER.match(self.text, self.position)) is not None:
            return self._number(number)
        if (word := _WORD.match(self.text, self.position)) is not None:
            self.position = word.end()
            return _WORDS.get(word.group().lower(), word.group())
        self.position += 1
        return CUT_OFF

    def _number(self, number: re.Match[str]) -> Any:
        self.position = number.end()
        if self._at_end():
            # It may have lost its last digits.
            self.cut_off = True
            return CUT_OFF
        if (unit := _UNIT.match(self.text, self.position)) is not None:
            self.position = unit.end()
            return number.group() + unit.group()
        return _number(number.group().replace("_", ""))

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

    def _mapping(self, depth: int) -> Any:
        pairs: list[tuple[str, Any]] = []
        while not self._closed("{"):
            before = self.position
            key = self.value(depth + 1)
            self._skip_space()
            if self.text[self.position : self.position + 1] in (":", "="):
                self.position += 1
                self._skip_space()
                value = CUT_OFF if self._at_end() else self._named_value(depth + 1)
                if isinstance(key, str) and value is not CUT_OFF and self._may_add():
                    pairs.append((key, value))
            self.position = max(self.position, before + 1)
        return _mapping_of(pairs)

    def _named_value(self, depth: int) -> Any:
        """Read a value that may be several words without quotes."""
        phrase = _PHRASE.match(self.text, self.position)
        # In "label: dog bbox: [" the second word is a key again.
        if phrase is None or self.text[phrase.end() : phrase.end() + 1] in (":", "="):
            return self.value(depth)
        self.position = phrase.end()
        text = self.original[phrase.start() : phrase.end()].strip()
        return _WORDS.get(text.lower(), text)

    def _is_apostrophe(self, character: str) -> bool:
        """Whether a quote stands behind a letter, as in "the dog's", and begins nothing."""
        before = self.text[self.position - 1 : self.position]
        return character in _APOSTROPHES and before.isalnum()

    def _string(self, quote: str) -> Any:
        position = self.position + 1
        parts = []
        while position < len(self.original):
            character = self.original[position]
            if character == "\\" and position + 1 < len(self.original):
                escaped = self.original[position + 1]
                parts.append({"n": "\n", "t": "\t"}.get(escaped, escaped))
                position += 2
                continue
            position += 1
            # In 'the dog's ball' the second quote is an apostrophe.
            if character in _QUOTES[quote] and (
                character not in _APOSTROPHES or _AFTER_STRING.match(self.text, position)
            ):
                self.position = position
                return "".join(parts)
            parts.append(character)
        self.position = position
        self.cut_off = True
        return CUT_OFF

    def _closed(self, opening: str) -> bool:
        """Whether the container ends here; passes over its closing bracket."""
        self._skip_space()
        if self._at_end():
            self.cut_off = True
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
        """Pass over blanks, separators and comments."""
        while True:
            if (space := _SPACE.match(self.text, self.position)) is not None:
                self.position = space.end()
            comment = _COMMENT.match(self.text, self.position)
            if comment is None:
                return
            self.position = self._end_of_comment(comment)

    def _end_of_comment(self, comment: re.Match[str]) -> int:
        start = comment.end()
        for opening, closing in (("/*", "*/"), ("<!--", "-->")):
            if comment.group() == opening:
                end = self.text.find(closing, start)
                return len(self.text) if end < 0 else end + len(closing)
        if start <= self._last_line_end:
            return self.text.index("\n", start)
        # Where lines were joined into one, a comment ends before what has structure again.
        structure = _STRUCTURE.search(self.text, start)
        return len(self.text) if structure is None else structure.start()

    def _at_end(self) -> bool:
        return self.position >= len(self.text)


def _mapping_of(pairs: list[tuple[str, Any]]) -> Any:
    """Return a mapping; a list of mappings where its keys come again with lists or mappings.

    In ``{"bbox": [1, 2, 3, 4], "bbox": [5, 6, 7, 8]}`` a model forgot to begin a new object.
    """
    mapping = dict(pairs)
    if len(mapping) == len(pairs):
        return mapping
    parts: list[dict[str, Any]] = [{}]
    for key, value in pairs:
        if key in parts[-1]:
            parts.append({})
        parts[-1][key] = value
    several = any(isinstance(v, list | dict) for part in parts[1:] for v in part.values())
    return parts if several else mapping


def _number(text: str) -> float | int:
    whole = _WHOLE.fullmatch(text) is not None
    if whole and len(text) > 40:
        return math.inf
    return int(text) if whole else float(text)


# Four numbers with commas between thousands, or with decimal commas.
_THOUSANDS = r"\d{1,3}(?:,\d{3}){0,2}(?:\.\d{1,9})?"
_DECIMALS = r"\d{1,9}(?:,\d{1,9})?"
_LOCAL_NUMBERS = re.compile(
    rf"(?<=[\[(])(?:(?:{_THOUSANDS},\s{{1,9}}){{3}}{_THOUSANDS}"
    rf"|(?P<decimal>(?:{_DECIMALS}\s{{0,9}};\s{{0,9}}){{3}}{_DECIMALS}))(?=[\])])"
)
# "np.int64(10)", as NumPy shows its numbers
_TYPED_NUMBER = re.compile(r"\b(?:np|numpy|torch)\.\w{1,12}\(\s{0,9}([-+\d.eE]{1,30})\s{0,9}\)")
_SIZED_BRACKET = re.compile(r"\\(?:left|right|big|Big)(?=[\[\]()|])")
_ESCAPED_QUOTE = re.compile(r"[{\[,]\s{0,9}\\\"")


def clean_text(text: str) -> str:
    r"""Return a text without escapes, and with numbers in plain notation.

    Example:
        >>> clean_text("[np.int64(10), np.int64(20)]")
        '[10, 20]'
        >>> clean_text("[1,024, 200, 1,500, 600]")
        '[1024, 200, 1500, 600]'
    """
    if "&quot;" in text:
        text = html.unescape(text)
    # JSON that was put into a text of JSON.
    if _ESCAPED_QUOTE.search(text) is not None and not _has_bare_key(text):
        text = text.replace('\\"', '"').replace("\\n", "\n")
    text = _TYPED_NUMBER.sub(r"\1", _SIZED_BRACKET.sub("", text))
    return _LOCAL_NUMBERS.sub(_plain_numbers, text)


def _has_bare_key(text: str) -> bool:
    return re.search(r"[{\[,]\s{0,9}\"\w", text) is not None


def _plain_numbers(match: re.Match[str]) -> str:
    if match["decimal"] is not None:
        return match.group().replace(",", ".").replace(";", ",")
    return re.sub(r",(?=\d)", "", match.group())
