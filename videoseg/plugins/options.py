"""Checks a component's options against the signature of what builds it."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from videoseg.text import shorten

__all__ = ["OptionFacts", "check_options", "option_facts", "option_meanings"]

_DEEPEST = 20
_MOST_PROBLEMS = 20

OptionFacts = dict[str, tuple[str, str]]
"""For each option its type and its default, as text."""


def option_facts(factory: Callable[..., Any], *, given: tuple[str, ...] = ()) -> OptionFacts:
    """Return the options a factory takes, leaving out what the pipeline itself gives."""
    facts: OptionFacts = {}
    hints = _hints(factory)
    for name, parameter in _parameters(factory).items():
        if name in given:
            continue
        annotation = parameter.annotation
        kind = "" if annotation is parameter.empty else str(annotation).removeprefix("typing.")
        if inspect.isclass(annotation):
            kind = annotation.__name__
        # The name of an alias does not tell which values there are.
        kind = _choices(hints.get(name)) or kind
        required = parameter.default is parameter.empty
        facts[name] = (kind, "required" if required else repr(parameter.default))
    return facts


def option_meanings(factory: Callable[..., Any]) -> dict[str, str]:
    """Return what the section ``Args:`` of a factory's docstring says of each argument."""
    _, _, section = (inspect.getdoc(factory) or "").partition("\nArgs:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.startswith("    "):
            break
        if re.match(r"    \w+: ", line):
            name, _, text = line.strip().partition(": ")
            meanings[name] = text
        elif name:
            meanings[name] += " " + line.strip()
    return meanings


def _choices(hint: Any) -> str:
    """Return the values that a Literal allows, also as a part of a union; else nothing."""
    if get_origin(hint) is Annotated:
        return _choices(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return " | ".join(map(repr, get_args(hint)))
    if get_origin(hint) not in (Union, UnionType):
        return ""
    parts = get_args(hint)
    if not any(get_origin(part) is Literal for part in parts):
        return ""
    names = (
        "None" if part is NoneType else getattr(part, "__name__", str(part)) for part in parts
    )
    return " | ".join(_choices(part) or name for part, name in zip(parts, names, strict=True))


def check_options(
    label: str, factory: Callable[..., Any], options: Mapping[str, Any], given: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    """Return the options converted to their annotated types, and every problem found.

    Args:
        label: What the component is called in messages, such as ``sampler 'every'``.
        factory: The class or function that builds it.
        options: What the user asked for.
        given: Arguments the pipeline supplies itself.
    """
    parameters = _parameters(factory)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in _signature(factory).parameters.values())
    names = [name for name in parameters if name not in given]
    converted: dict[str, Any] = {}
    problems: list[str] = []
    hints = _hints(factory)
    for name, value in options.items():
        if name in names or (takes_any and name not in given):
            converted[name], problem = _convert(value, hints.get(name, Any))
            if problem:
                problems.append(f"option {name!r} of {label}: {problem}")
        elif len(problems) < _MOST_PROBLEMS:
            problems.append(f"{label} has no option {shorten(name)}; {_nearest(name, names)}")
    for name in names:
        if parameters[name].default is inspect.Parameter.empty and name not in options:
            problems.append(f"{label} needs option {name!r}")
    return converted, problems


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}its options are: {', '.join(names) if names else 'none'}"


def _convert(value: Any, annotation: Any) -> tuple[Any, str]:
    from pydantic import ValidationError

    if getattr(value, "shape", None) == ():
        # A number of NumPy or torch, which may be true or none at all like Python's.
        value = value.item()
    if problem := _impossible(value):
        return value, f"{problem}, got {shorten(value)}"
    adapter = _adapter(annotation)
    if adapter is None:
        return value, ""
    try:
        converted = adapter.validate_python(value)
    except ValidationError as error:
        messages = "; ".join(dict.fromkeys(item["msg"] for item in error.errors()[:3]))
        # YAML and the command line call it null; as None it is a word of four letters.
        may_be_none = value == "None" and NoneType in get_args(annotation)
        hint = "; write null for none" if may_be_none else ""
        return value, f"{messages}, got {shorten(value)}{hint}"
    if _counts_truth(value, converted):
        return value, f"Input should be a number, got {shorten(value)}"
    return converted, ""


def _adapter(annotation: Any) -> Any:
    """Return what checks values of a type; None if nothing can, as for a protocol."""
    from pydantic import (
        ConfigDict,
        PydanticSchemaGenerationError,
        PydanticUserError,
        TypeAdapter,
    )
    from pydantic_core import SchemaError

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, SchemaError):
        return None
    except PydanticUserError:
        # Types that carry their own configuration refuse one from outside.
        return TypeAdapter(annotation)


def _impossible(value: Any, depth: int = 0) -> str:
    """Return what keeps a value from being anything that a result could record."""
    if depth > _DEEPEST:
        return f"Input should be nested at most {_DEEPEST} levels deep"
    if isinstance(value, float) and not math.isfinite(value):
        return "Input should be a finite number"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "Input should be a number that fits into 64 bits"
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        inner = list(value)
    return next((problem for one in inner if (problem := _impossible(one, depth + 1))), "")


def _counts_truth(value: Any, converted: Any) -> bool:
    """Return whether true or false was taken for a number, which nobody means."""
    if isinstance(value, bool):
        return isinstance(converted, int | float) and not isinstance(converted, bool)
    if isinstance(value, list | tuple) and isinstance(converted, list | tuple):
        return any(map(_counts_truth, value, converted))
    if isinstance(value, Mapping) and isinstance(converted, Mapping):
        return any(_counts_truth(one, converted.get(key)) for key, one in value.items())
    return False


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError):
        return inspect.Signature()


def _parameters(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in _signature(factory).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    target = factory.__init__ if inspect.isclass(factory) else factory
    try:
        return get_type_hints(target, include_extras=True)
    except (AttributeError, NameError, SyntaxError, TypeError):
        # Annotations that only exist for the type checker cannot be checked at run time.
        return {}
