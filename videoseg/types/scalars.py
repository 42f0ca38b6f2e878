"""Checks of numbers and text in the fields of types: what a result can hold.

Callers have numbers of NumPy, tensors and arrays without dimensions; fields hold Python's ``int``,
``float`` and ``str``. Each function returns the value in that form, or raises a ``ConfigError``
that says what was expected.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from videoseg.errors import ConfigError
from videoseg.text import shorten, well_formed

__all__ = [
    "optional",
    "real_number",
    "set_fields",
    "text_of",
    "texts_of",
    "whole_number",
    "whole_numbers",
]

_Checked = TypeVar("_Checked")


def set_fields(instance: object, **values: object) -> None:
    """Replace fields of a frozen dataclass by their checked values, in ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def optional(
    check: Callable[..., _Checked], value: Any, what: str, **limits: Any
) -> _Checked | None:
    """Return what one of the checks below makes of a value; None stays None."""
    return None if value is None else check(value, what, **limits)


def whole_number(value: Any, what: str, *, least: int | None = None) -> int:
    """Return a whole number as an ``int``.

    Args:
        value: A whole number of any library, or a float without a fraction such as 7.0; not a
            ``bool``.
        what: What it is, for the message.
        least: The smallest that is allowed; None for no bound.

    Raises:
        ConfigError: If it is not a whole number, or below ``least``.
    """
    number = value if type(value) is int else _as_int(value)
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" >= {least}"
        raise ConfigError(f"{what} must be a whole number{bound}, got {shorten(value)}")
    return number


def whole_numbers(values: Any, what: str, *, least: int | None = None) -> tuple[int, ...]:
    """Return several whole numbers as a tuple of ``int``.

    Raises:
        ConfigError: If they are not a sequence, or one of them is not a whole number.
    """
    try:
        items = list(values)
    except TypeError as error:
        raise ConfigError(
            f"{what} must be a sequence of whole numbers, got {shorten(values)}"
        ) from error
    return tuple(whole_number(item, what, least=least) for item in items)


def real_number(value: Any, what: str, *, finite: bool = True) -> float:
    """Return a number as an ``int`` (for whole numbers of any library) or a ``float``.

    Raises:
        ConfigError: If it is not a number, a ``bool``, or (if ``finite``) infinite or NaN.
    """
    number = value if type(value) in (int, float) else _as_number(value)
    if number is None or (finite and not abs(number) <= sys.float_info.max):
        kind = "finite number" if finite else "number"
        raise ConfigError(f"{what} must be a {kind}, got {shorten(value)}")
    return number


def text_of(value: Any, what: str) -> str:
    """Return text that can be written as UTF-8: halves of surrogate pairs become U+FFFD.

    Raises:
        ConfigError: If it is not text.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be text, got {shorten(value)}")
    return str(value) if value.isascii() else well_formed(value)


def texts_of(values: Any, what: str) -> tuple[str, ...]:
    """Return several texts as a tuple; see ``text_of``.

    Raises:
        ConfigError: If they are not a sequence of text, or a single text.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ConfigError(f"{what} must be a sequence of text, got {shorten(values)}")
    return tuple(text_of(value, f"each of {what}") for value in values)


def _as_int(value: Any) -> int | None:
    number = _as_number(value)
    if number is None or isinstance(number, int):
        return number
    if not math.isfinite(number) or number != int(number):
        return None
    return int(number)


def _as_number(value: Any) -> int | float | None:
    """Return Python's number for a scalar of any library; None if it is not a real number."""
    # An array of one number may be a mistake; text is refused even if it reads as a number.
    if _is_refused(value):
        return None
    for convert in (operator.index, float):
        try:
            number: int | float = convert(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            continue
        return number
    return None


def _is_refused(value: Any) -> bool:
    kind = str(getattr(value, "dtype", ""))
    return (
        isinstance(value, bool | str | bytes | bytearray)
        or getattr(value, "shape", ()) != ()
        or "bool" in kind
        or "complex" in kind
    )
