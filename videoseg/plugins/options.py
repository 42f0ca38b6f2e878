"""Checks a component's options against the signature of what builds it."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["OptionFacts", "check_options", "option_facts", "option_meanings"]

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
        if name not in names:
            if takes_any and name not in given:
                converted[name] = value
                continue
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            allowed = ", ".join(names) if names else "none"
            problems.append(f"{label} has no option {name!r}; {hint}its options are: {allowed}")
            continue
        if name in hints:
            value, problem = _convert(value, hints[name])
            if problem:
                problems.append(f"option {name!r} of {label}: {problem}")
                continue
        converted[name] = value
    for name in names:
        if parameters[name].default is inspect.Parameter.empty and name not in options:
            problems.append(f"{label} needs option {name!r}")
    return converted, problems


def _convert(value: Any, annotation: Any) -> tuple[Any, str]:
    from pydantic import (
        ConfigDict,
        PydanticSchemaGenerationError,
        PydanticUserError,
        TypeAdapter,
        ValidationError,
    )
    from pydantic_core import SchemaError

    config = ConfigDict(arbitrary_types_allowed=True)
    try:
        adapter = TypeAdapter(annotation, config=config)
    except (PydanticSchemaGenerationError, SchemaError):
        # Nothing can tell whether a value is of this type: a protocol, for one.
        return value, ""
    except PydanticUserError:
        # Types that carry their own configuration refuse one from outside.
        adapter = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value), ""
    except ValidationError as error:
        messages = "; ".join(dict.fromkeys(item["msg"] for item in error.errors()))
        # YAML and the command line call it null; as None it is a word of four letters.
        may_be_none = value == "None" and NoneType in get_args(annotation)
        hint = "; write null for none" if may_be_none else ""
        return value, f"{messages}, got {value!r}{hint}"


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except ValueError:
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
        return get_type_hints(target)
    except (NameError, TypeError):
        # Annotations that only exist for the type checker cannot be checked at run time.
        return {}
