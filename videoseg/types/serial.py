"""Everything between stages except pixels goes to JSON and back, unchanged."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

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
    kind: Hashable = cast(Hashable, type(value))
    return _adapter(kind).dump_python(value, mode="json", exclude=exclude)


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
        result: T = _adapter(cast(Hashable, kind)).validate_python(data)
    except ValidationError as error:
        raise ConfigError(
            [
                f"{kind.__name__}.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
                for item in error.errors()
            ]
        ) from error
    return result


@lru_cache(maxsize=64)
def _adapter(kind: Hashable) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
