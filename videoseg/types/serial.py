"""Plain data: every type between stages except pixels goes to JSON and back, unchanged.

``to_dict`` turns dataclasses into dicts, lists, numbers and text; ``from_dict`` builds them again
and checks every field.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, TypeVar

import numpy as np

from videoseg.errors import ConfigError
from videoseg.text import printable, shorten, shorten_text

__all__ = ["from_dict", "to_dict", "to_dict_with_problems"]

T = TypeVar("T")

_MAX_DEPTH = 100
_MAX_VALUES = 2**20
_MAX_PARTS = 2**24
# Python refuses to write longer whole numbers as text.
_MAX_BITS = 13_000
_SURELY_SHORT = 2**63


def to_dict(value: object) -> Any:
    """Return a core type as plain dicts, lists, numbers and text.

    Numbers and arrays of NumPy become Python's. Fields that hold pixels or an open video
    (``Segmentation.source``) are left out. Text stays as it is, also the part of a file's name
    that is not UTF-8; ``json.dumps`` writes it as escapes.

    Raises:
        ConfigError: If something in it (in ``details``, mostly) cannot be written as JSON; all
            places are listed.

    Example:
        >>> from videoseg.types import Window
        >>> to_dict(Window(2, 5))
        {'start': 2, 'stop': 5}
    """
    plain, problems = to_dict_with_problems(value)
    if problems:
        raise ConfigError(problems)
    return plain


def to_dict_with_problems(value: object, *, depth: int = 0) -> tuple[Any, list[str]]:
    """Return a value as ``to_dict`` does, and a sentence for each part that JSON cannot hold.

    Such a part is replaced by text, the beginning of its ``repr``.

    Args:
        value: The value.
        depth: How deep inside another value it will be written.

    Returns:
        (plain data, problems)
    """
    writer = _Writer()
    return writer.plain(value, type(value).__name__, depth), writer.problems


def from_dict(kind: type[T], data: object) -> T:
    """Build a core type from what ``to_dict`` made, checking every field.

    Raises:
        ConfigError: If the data does not fit; all problems are listed.

    Example:
        >>> from videoseg.types import Window
        >>> from_dict(Window, {"start": 2, "stop": 5})
        Window(start=2, stop=5)
    """
    from pydantic import ValidationError

    try:
        result: T = _adapter(kind).validate_python(data)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(
            [
                f"{kind.__name__}.{_place(item['loc'])}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            ]
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{kind.__name__}: the data is nested too deeply") from error
    return result


class _Writer:
    """Turns values into plain data and collects those that cannot be."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._num_values = 0
        self._around: set[int] = set()

    def plain(self, value: Any, place: str, depth: int) -> Any:
        """Return a value as plain data; ``place`` is its path in messages."""
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int and -_SURELY_SHORT < value < _SURELY_SHORT:
            return value
        if isinstance(value, str):
            return str(value)
        self._num_values += 1
        if self._num_values > _MAX_PARTS:
            # Parts that are shared are written each time, so a small value may be a huge text.
            if self._num_values == _MAX_PARTS + 1:
                return self._problem(value, place, f"comes after {_MAX_PARTS:,} other values")
            return None
        if id(value) in self._around:
            return self._problem(value, place, "holds itself")
        if depth > _MAX_DEPTH:
            return self._problem(value, place, "is nested too deeply")
        self._around.add(id(value))
        try:
            return self._parts(value, place, depth)
        finally:
            self._around.discard(id(value))

    def _parts(self, value: Any, place: str, depth: int) -> Any:
        if (names := _field_names(type(value))) is not None:  # type: ignore[arg-type]
            return {
                name: self.plain(getattr(value, name), f"{place}.{name}", depth + 1)
                for name in names
            }
        if isinstance(value, list | tuple | AbstractSet):
            return [
                self.plain(item, f"{place}[{index}]", depth + 1)
                for index, item in enumerate(value)
            ]
        if isinstance(value, Mapping):
            return {
                self._key(key, place): self.plain(item, f"{place}[{shorten(key)}]", depth + 1)
                for key, item in value.items()
            }
        return self._scalar(value, place, depth)

    def _scalar(self, value: Any, place: str, depth: int) -> Any:
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        if isinstance(value, int) and not isinstance(value, enum.Enum):
            if value.bit_length() > _MAX_BITS:
                return self._problem(value, place, "has too many digits")
            return int(value)
        if isinstance(value, float):  # NumPy's, for one
            return float(value)
        if isinstance(value, os.PathLike):
            return self.plain(os.fsdecode(value), place, depth + 1)
        if (array := _array_of(value)) is not None:
            if array.size > _MAX_VALUES:
                return self._problem(value, place, f"has more than {_MAX_VALUES:,} values")
            return self.plain(array.tolist(), place, depth + 1)
        try:
            # Dates, bytes that are text, enumerations and the like.
            plain = to_jsonable_python(value)
        except (PydanticSerializationError, ValueError, RecursionError):
            return self._problem(value, place, f"is of type {_kind_name(value)}")
        return self.plain(plain, place, depth + 1)

    def _key(self, key: Any, place: str) -> str:
        if isinstance(key, str):
            return str(key)
        where = f"a key of {place}"
        plain = self.plain(key, where, 0)
        if isinstance(plain, list | dict):
            return self._problem(key, where, f"is of type {_kind_name(key)}")
        # As json.dumps writes keys.
        return plain if isinstance(plain, str) else json.dumps(plain)

    def _problem(self, value: Any, place: str, what: str) -> str:
        self.problems.append(
            f"{shorten_text(printable(place), 120)} {what}, which cannot be written as JSON; "
            "keep numbers, text, lists and mappings there"
        )
        return shorten(value)


def _kind_name(value: object) -> str:
    """Return the name of a value's type, with its module unless it is Python's own."""
    kind = type(value)
    plain = kind.__module__ == "builtins"
    return kind.__qualname__ if plain else f"{kind.__module__}.{kind.__qualname__}"


def _array_of(value: Any) -> Any:
    """Return a scalar or array of any library as a NumPy array; None for other values."""
    if not hasattr(value, "__array__") or not hasattr(value, "dtype"):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biufU" else None


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...] | None:
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(f.name for f in dataclasses.fields(kind) if f.metadata.get("saved", True))


def _place(parts: tuple[int | str, ...]) -> str:
    return shorten_text(printable(".".join(str(part) for part in parts)), 120)


# Building an adapter is slow, and results are read and written by the thousand.
@cache
def _adapter(kind: type[Any]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
