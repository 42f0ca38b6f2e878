"""Everything between stages except pixels goes to JSON and back, unchanged."""

from __future__ import annotations

from typing import Any, TypeVar

from videoseg.errors import ConfigError

__all__ = ["from_jsonable", "to_jsonable"]

T = TypeVar("T")


def to_jsonable(value: object) -> Any:
    """Return a core type as plain dicts, lists, numbers and text.

    Fields that hold pixels or an open video (``Segmentation.source``) are left out.

    Example:
        >>> from videoseg.types import Window
        >>> to_jsonable(Window(2, 5))
        {'start': 2, 'stop': 5}
    """
    exclude = {"source"} if type(value).__name__ == "Segmentation" else None
    return _adapter(type(value)).dump_python(value, mode="json", exclude=exclude)


def from_jsonable(kind: type[T], data: object) -> T:
    """Build a core type from what ``to_jsonable`` made, checking every field.

    Raises:
        ConfigError: If the data does not fit; all problems are listed.

    Example:
        >>> from videoseg.types import Window
        >>> from_jsonable(Window, {"start": 2, "stop": 5})
        Window(start=2, stop=5)
    """
    from pydantic import ValidationError

    try:
        result: T = _adapter(kind).validate_python(data)
    except ValidationError as error:
        raise ConfigError(
            [
                f"{kind.__name__}.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
                for item in error.errors()
            ]
        ) from error
    return result


def _adapter(kind: type[Any]) -> Any:
    from pydantic import TypeAdapter

    # Building an adapter is slow, and results are read and written by the thousand.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[Any], Any] = {}
