"""Text for messages, terminals and reports, and JSON read within bounds."""

from __future__ import annotations

import json
import math
import os
import reprlib
import unicodedata
from collections.abc import Sequence
from typing import Any

__all__ = [
    "format_bytes",
    "format_count",
    "format_list",
    "format_seconds",
    "has_words",
    "parse_json",
    "printable",
    "shorten",
    "shorten_text",
    "show_path",
    "well_formed",
]

_MAX_PATH_LENGTH = 300
"""Longest path, in characters, that a message repeats in full."""


def has_words(text: str) -> bool:
    """Return whether a text has a letter of any script, or a picture that may stand for a word.

    Example:
        >>> has_words("the dog"), has_words("狗"), has_words("🐕"), has_words("42 !?")
        (True, True, True, False)
    """
    return any(char.isalpha() or unicodedata.category(char) == "So" for char in text)


def parse_json(data: str | bytes, *, allow_nan: bool = True) -> Any:
    """Parse an untrusted JSON document.

    Args:
        data: The document; bytes are UTF-8, with or without a byte order mark.
        allow_nan: Whether to accept ``NaN`` and ``Infinity``, which standard JSON lacks.

    Raises:
        ValueError: If it is not JSON, is nested too deeply, or exceeds the memory. The message
            is one short line.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
        return json.loads(text, parse_constant=None if allow_nan else _refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except MemoryError as error:
        raise ValueError("it is too large for the memory of this machine") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from error
    except ValueError as error:
        raise ValueError(shorten_text(" ".join(str(error).split()), 200)) from error


def shorten(value: object, limit: int = 80) -> str:
    """Return ``repr(value)``, cut to at most ``limit`` printable characters.

    The time this takes is bounded, even for huge or deeply shared values.
    """
    short = reprlib.Repr()
    short.maxlevel = 3
    short.maxdict = short.maxlist = short.maxtuple = short.maxset = 4
    short.maxstring = short.maxother = limit
    try:
        if isinstance(value, int) and abs(value) >= 10**limit:
            return f"a whole number of {value.bit_length()} bits"
        return shorten_text(printable(short.repr(value)), limit)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"


def shorten_text(text: str, limit: int = 80) -> str:
    """Return a text, cut at the end of a word and marked with ``...`` if it is too long.

    Args:
        text: The text.
        limit: The most characters to return, the mark included.

    Example:
        >>> shorten_text("the dog that jumps over the fence", 20)
        'the dog that...'
    """
    if len(text) <= limit:
        return text
    cut = text[: limit - 3]
    words = cut.rsplit(None, 1)
    # A text with few or no spaces, such as Chinese, is cut anywhere.
    if not text[limit - 3].isspace() and len(words) == 2 and len(words[0]) > len(cut) // 2:
        cut = words[0]
    return cut.rstrip() + "..."


def show_path(path: str | os.PathLike[str]) -> str:
    """Return a path for a message: printable, and without its middle if it is very long."""
    text = printable(os.fspath(path))
    return text if len(text) <= _MAX_PATH_LENGTH else f"{text[:100]}...{text[-150:]}"


def well_formed(text: str) -> str:
    r"""Return a text that can be encoded as UTF-8.

    Surrogate pairs are joined. A lone surrogate (from a file name that is not UTF-8, or an
    escape such as ``"\ud800"``) becomes U+FFFD.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def printable(text: str, *, keep: str = "") -> str:
    """Return a text that is safe to print on a terminal.

    Args:
        text: Untrusted text.
        keep: Control characters to leave in place, such as a line break.

    Returns:
        The text with each control, format and surrogate character replaced by U+FFFD, and
        each line or paragraph break replaced by a space.
    """
    return "".join(letter if letter in keep else _shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    category = unicodedata.category(letter)
    if letter in "\t\n\r\v\f" or category in ("Zl", "Zp", "Zs"):
        return " "
    # Joiners shape scripts and emoji and move nothing.
    return letter if letter in "\u200c\u200d" else "\ufffd"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def format_seconds(seconds: float) -> str:
    """Return a duration with the digits that matter, such as ``0.48 s`` or ``2:05 min``."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def format_bytes(count: float) -> str:
    """Return a size in decimal units, such as ``3.7 MB`` or ``898 MB``."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = 0
    # What rounds to a thousand is one of the next unit.
    while count >= (999.5 if power else 1000) and power < len(units) - 1:
        count, power = count / 1000, power + 1
    digits = 1 if power and count < 99.95 else 0
    return f"{count:.{digits}f} {units[power]}"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 object`` or ``2 objects``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_list(parts: Sequence[str], limit: int) -> str:
    """Return the first parts separated by commas, and how many others there are.

    Example:
        >>> format_list(["a", "b", "c", "d"], 2)
        'a, b and 2 more'
    """
    more = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(parts[:limit]) + more
