"""Checks ``result.json`` against the published schema, without any field that is not in it."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

from videoseg.results import result_schema


@cache
def _validator():
    from jsonschema import Draft202012Validator

    schema = deepcopy(result_schema())
    for each in (schema, *schema["$defs"].values()):
        each["additionalProperties"] = False
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def schema_problems(path: Path) -> list[str]:
    """Return what in a file is not as the schema says."""
    data = json.loads(path.read_text(encoding="utf-8"))
    errors = _validator().iter_errors(data)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]
