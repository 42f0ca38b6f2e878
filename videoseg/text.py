"""Text and JSON of foreign origin: parsed within bounds, shown without surprises."""

from __future__ import annotations

import json
import math
import os
import reprlib
import unicodedata
from typing import Any

__all__ = ["parse_json", "printable", "shorten", "shorten_text", "show_path", "well_formed"]

# Longest path that is repeated whole in a message.
_SHOWN_OF_PATH = 300


def parse_json(data: str | bytes, *, allow_nan: bool = True) -> Any:
    """Parse a JSON document whatever stands in it.

    Args:
        data: The document; bytes are UTF-8, with or without a byte order mark.
        allow_nan: Whether ``NaN`` and ``Infinity``, which are not JSON, are taken.

    Raises:
        ValueError: If it is not JSON, or nested too deeply for this machine; one short line.
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
    """Return ``repr(value)``, or a shorter form of it with at most ``limit`` characters.

    The time it takes does not grow with the value, nor with how often its parts share others.
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
    """Return a text, or its beginning and ``...`` if it has more than ``limit`` characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def show_path(path: str | os.PathLike[str]) -> str:
    """Return a path as messages have it: printable, and without its middle if it is very long."""
    text = printable(os.fspath(path))
    return text if len(text) <= _SHOWN_OF_PATH else f"{text[:100]}...{text[-150:]}"


def well_formed(text: str) -> str:
    r"""Return a text that can be written as UTF-8.

    Halves of surrogate pairs that stand side by side are joined; what stands alone (a file
    name that is not UTF-8, an escape such as ``"\ud800"``) becomes U+FFFD.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def printable(text: str, *, keep: str = "") -> str:
    """Return a text that cannot move a terminal's cursor, recolor it or reorder its line.

    Args:
        text: Text of foreign origin.
        keep: Control characters that are meant, such as a line break.

    Returns:
        The text with every control, format and surrogate character replaced by U+FFFD, each
        line or paragraph break by a blank.
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


def seconds_text(seconds: float) -> str:
    """Return a duration with as many digits as matter, such as ``0.48 s`` or ``2:05 min``."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
