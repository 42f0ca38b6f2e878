"""The JSON schema of ``result.json``, made from the classes that are written there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from videoseg.plugins.options import read_meanings
from videoseg.results.folder import FORMAT, SCHEMA_VERSION
from videoseg.results.segmentation import Segmentation

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

__all__ = ["result_schema"]

_NONE = re.compile(r"\bNone\b")


def result_schema() -> dict[str, Any]:
    """Return the JSON schema of ``result.json``, as this release writes it (draft 2020-12).

    It is made from ``Segmentation`` and the classes of its fields, with their docstrings as
    descriptions, so that it cannot differ from what is written. Every field is required, since
    every field is written; results of earlier releases may lack some. Other fields are allowed,
    since later releases may add some.

    Example:
        >>> schema = result_schema()
        >>> schema["properties"]["schema_version"]
        {'const': 1}
        >>> "masks" in schema["$defs"]["MaskTrack"]["properties"]
        True
    """
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        def handle_invalid_for_json_schema(
            self, schema: core_schema.CoreSchema, error_info: str
        ) -> JsonSchemaValue:
            # Fields that are not saved, such as an open video; they are removed below.
            del schema, error_info
            return {}

    schema = TypeAdapter(Segmentation).json_schema(schema_generator=Generator)
    definitions = schema.pop("$defs")
    described = {kind.__name__: kind for kind in _dataclasses_in(Segmentation)}
    for name, kind in described.items():
        _complete(schema if kind is Segmentation else definitions[name], kind)
    head = {"format": {"const": FORMAT}, "schema_version": {"const": SCHEMA_VERSION}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "result.json of videoseg",
        "properties": head | schema["properties"],
        "required": [*head, *schema["required"]],
        "$defs": definitions,
    }


def _complete(schema: dict[str, Any], kind: type[Any]) -> None:
    """Describe the saved fields of a class, and require all of them."""
    meanings = read_meanings(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.metadata.get("saved", True)]
    properties = {}
    for name in names:
        # Defaults belong to the constructor: what is written has a value.
        given = {key: part for key, part in schema["properties"][name].items() if key != "default"}
        given.pop("title", None)
        if meaning := meanings.get(name):
            given["description"] = _NONE.sub("null", meaning.replace("``", ""))
        properties[name] = given
    schema["description"] = (kind.__doc__ or "").strip().splitlines()[0].replace("``", "")
    schema["properties"] = properties
    schema["required"] = names


def _dataclasses_in(kind: Any, seen: set[Any] | None = None) -> Iterator[type[Any]]:
    """Yield the dataclasses that the saved fields of one are made of, itself included."""
    seen = set() if seen is None else seen
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind in seen:
            return
        seen.add(kind)
        yield kind
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            if field.metadata.get("saved", True):
                yield from _dataclasses_in(hints[field.name], seen)
        return
    for part in get_args(kind):
        yield from _dataclasses_in(part, seen)
