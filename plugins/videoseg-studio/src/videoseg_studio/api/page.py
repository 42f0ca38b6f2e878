"""The page that explains the API: made of its OpenAPI document, without scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

__all__ = ["render_page"]

_METHODS = ("get", "post", "put", "delete")


def render_page(document: Mapping[str, Any], address: str) -> str:
    """Return the page.

    Args:
        document: The OpenAPI document.
        address: The address of the server, for examples.
    """
    schemas = document.get("components", {}).get("schemas", {})
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if operation := operations.get(method):
                tag = (operation.get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_entry(path, method, operation, schemas))
    return _template().render(
        title=document["info"]["title"],
        address=address,
        groups=groups,
        schemas={
            name: json.dumps(schema, indent=2)
            for name, schema in schemas.items()
            if name in ("SubmittedJob", "GivenObject", "GivenMask", "JobDocument", "ErrorAnswer")
        },
    )


def _entry(
    path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    # A body that may be JSON or a form has the same fields in both.
    schema: Mapping[str, Any] = next((content["schema"] for content in body.values()), {})
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return {
        "method": method.upper(),
        "path": path,
        "meaning": operation.get("description", ""),
        "parameters": [
            {
                "name": parameter["name"],
                "place": parameter["in"],
                "type": parameter.get("schema", {}).get("type", ""),
                "default": parameter.get("schema", {}).get("default"),
            }
            for parameter in operation.get("parameters", ())
        ],
        "kinds": " or ".join(body),
        "fields": [
            {
                "name": name,
                "type": _type(field),
                "meaning": field.get("description", ""),
                "required": name in schema.get("required", ()),
            }
            for name, field in schema.get("properties", {}).items()
        ],
        "statuses": {
            code: response.get("description", "")
            for code, response in operation.get("responses", {}).items()
        },
    }


def _type(field: Mapping[str, Any]) -> str:
    """Return the type of a field in a few words."""
    kinds = field.get("anyOf", [field])
    return " or ".join(kind.get("type", "") for kind in kinds if kind.get("type") != "null")


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = PackageLoader("videoseg_studio", "api/templates")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("api.html")
