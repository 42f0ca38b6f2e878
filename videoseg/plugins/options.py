"""Options of components: read from signatures, described, checked and converted.

The options of a component are the keyword arguments of its constructor. What each allows stands
in one place, its annotation: ``Literal["first", "last"]`` or ``Annotated[int, Interval(ge=0)]``.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge

from videoseg.errors import ConfigError
from videoseg.text import shorten

__all__ = [
    "Option",
    "PositiveInt",
    "check_options",
    "checked_options",
    "convert_option",
    "list_options",
    "read_meanings",
]

PositiveInt: TypeAlias = Annotated[int, Ge(1)]
"""A whole number, 1 or more."""

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MAX_DEPTH = 20
_MAX_PROBLEMS = 20

# Types and formats of a JSON schema, singular and plural.
_NOUNS: Mapping[Any, tuple[str, str]] = {
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "string": ("text", "texts"),
    "boolean": ("true or false", "true or false"),
    "path": ("a path", "paths"),
    "null": ("None", "None"),
    "array": ("a list", "lists"),
    "object": ("a mapping", "mappings"),
}
# The bounds of numbers in a JSON schema, and those of lengths with what is counted.
_LIMITS: Mapping[str, str] = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "divisible by {}",
}
# Early releases of pydantic give the length of some lists as that of a text.
_LEAST, _MOST = ("minItems", "minLength"), ("maxItems", "maxLength")
_BOUNDS = frozenset({*_LIMITS, *_LEAST, *_MOST})
_DESCRIBED = _BOUNDS | {
    "additionalProperties",
    "description",
    "format",
    "items",
    "prefixItems",
    "type",
    "uniqueItems",
}

# Errors of validators, which may refuse more than a schema says.
_OWN_ERRORS = frozenset({"value_error", "assertion_error", "predicate_failed"})
# How messages of pydantic begin that do not continue "option 'x' of ...".
_PREFIX = re.compile(r"^(Value error|Assertion failed), ")
_SHOULD = re.compile(r"^\w+ should")


class Option(NamedTuple):
    """One option of a component, as text.

    Args:
        type: Its type with the values it allows, such as ``int >= 1``.
        default: Its default as Python writes it, or ``required``.
        meaning: What the docstring of the constructor says of it.
        is_python_only: Whether it takes objects or functions, which YAML cannot write.
    """

    type: str
    default: str
    meaning: str = ""
    is_python_only: bool = False


# -- describing ------------------------------------------------------------------------------


def list_options(factory: Callable[..., Any], *, given: tuple[str, ...] = ()) -> dict[str, Option]:
    """Return the options that a factory takes, by name.

    Args:
        factory: The class or function that builds a component.
        given: Arguments that the pipeline supplies itself; left out.
    """
    options: dict[str, Option] = {}
    hints = _hints(factory)
    meanings = read_meanings(factory)
    for name, parameter in _parameters(factory).items():
        if name in given:
            continue
        # The name of an alias does not show which values there are.
        shown = _type_text(hints.get(name))
        if not shown and (annotation := parameter.annotation) is not parameter.empty:
            is_class = inspect.isclass(annotation)
            shown = annotation.__name__ if is_class else str(annotation).removeprefix("typing.")
        required = parameter.default is parameter.empty
        default = "required" if required else repr(parameter.default)
        python_only = not _is_in_yaml(hints.get(name, Any))
        options[name] = Option(shown, default, meanings.get(name, ""), python_only)
    return options


def _is_in_yaml(hint: Any) -> bool:
    """Return whether YAML can write a value of a type, other than null."""
    if get_origin(hint) in (Union, UnionType):
        return any(_is_in_yaml(part) for part in get_args(hint) if part is not NoneType)
    return _schema(hint) is not None


def read_meanings(factory: Callable[..., Any]) -> dict[str, str]:
    """Return the text of each argument in the section ``Args:`` of a docstring."""
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


def _type_text(hint: Any) -> str:
    """Return a type with its choices and bounds; empty if the annotation says as much itself."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        name = _type_text(parts[0]) or _type_name(parts[0])
        return f"{name} {_bounds(_schema(hint) or {})}".rstrip()
    if origin is Literal:
        return " | ".join(map(repr, parts))
    texts = [_type_text(part) for part in parts]
    if not any(texts):
        return ""
    names = [text or _type_name(part) for text, part in zip(texts, parts, strict=True)]
    if origin in (Union, UnionType):
        return " | ".join(names)
    return f"{_type_name(origin)}[{', '.join(names)}]"


def _type_name(hint: Any) -> str:
    if hint in (NoneType, Ellipsis):
        return "None" if hint is NoneType else "..."
    name = str(hint) if get_args(hint) else getattr(hint, "__name__", str(hint))
    return re.sub(r"\b([a-z_]\w*\.)+", "", name)


def _schema(hint: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a type; None if it has none, as for functions and protocols."""
    from pydantic import PydanticUserError

    adapter = _adapter(hint)
    try:
        return None if adapter is None else dict(adapter.json_schema())
    except PydanticUserError:
        return None


def _allowed(schema: Mapping[str, Any], *, plural: bool = False) -> str:
    """Describe the values that a JSON schema allows; empty if this cannot be said in words.

    Args:
        schema: The schema.
        plural: Whether they are the items of a list.
    """
    if "anyOf" in schema:
        parts = [_allowed(part, plural=plural) for part in schema["anyOf"]]
        return _joined(parts) if all(parts) else ""
    if "enum" in schema or "const" in schema:
        return _joined(map(repr, schema.get("enum") or [schema["const"]]))
    noun = _NOUNS.get(schema.get("format", schema.get("type")))
    if noun is None or schema.keys() - _DESCRIBED:
        return ""
    content = ""
    if inner := schema.get("items") or schema.get("additionalProperties"):
        is_list = "items" in schema
        if inner is not True:
            content = _allowed(inner, plural=True)
            if not content:
                return ""
            content = f" of {content}" if is_list else f" of names to {content}"
    elif items := schema.get("prefixItems"):
        is_same = all(item == items[0] for item in items)
        parts = [_allowed(item, plural=is_same) for item in items]
        if not all(parts):
            return ""
        content = f" of {len(items)} "
        content += parts[0] if is_same else f"items: {', '.join(parts)}"
    bounds = "" if "prefixItems" in schema else _bounds(schema)
    separator = ", " if content and bounds else " "
    return f"{noun[plural]}{content}{separator}{bounds}".rstrip()


def _bounds(schema: Mapping[str, Any]) -> str:
    """Describe the bounds in a JSON schema; empty if there are none."""
    found = {key: _number(schema[key]) for key in _LIMITS if key in schema}
    if found.keys() == {"minimum", "maximum"}:
        return f"from {found['minimum']} to {found['maximum']}"
    words = [_LIMITS[key].format(bound) for key, bound in found.items()]
    unit = "character" if schema.get("type") == "string" else "item"
    least = next((schema[key] for key in _LEAST if key in schema), None)
    most = next((schema[key] for key in _MOST if key in schema), None)
    units = unit if (least if most is None else most) == 1 else f"{unit}s"
    if most is None and least is not None:
        words.append(f"with at least {_number(least)} {units}")
    elif most is not None:
        low = f"at most {_number(most)}" if not least else f"{_number(least)} to {_number(most)}"
        words.append(f"with {_number(most) if least == most else low} {units}")
    return " and ".join(words)


def _number(bound: Any) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _joined(words: Iterable[str]) -> str:
    *first, last = words
    if not first:
        return last
    # A comma separates bounds, such as "> 0 and <= 1", from the next choice.
    comma = "," if any(" and " in text or ", " in text for text in first) else ""
    return f"{', '.join(first)}{comma} or {last}"


# -- checking --------------------------------------------------------------------------------


def checked_options(label: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a constructor check its options against its annotations and convert them.

    Built by name, a component gets options that have been checked already. With this decorator
    on ``__init__`` (or on a function that builds the component) a direct call refuses the same
    values with the same message, and takes what YAML and NumPy make of numbers.

    Args:
        label: What messages call the component: its kind and name.

    Returns:
        A decorator. The function that it returns raises ``ConfigError``, which lists every value
        that its annotation does not allow.

    Example:
        >>> class Evenly:
        ...     @checked_options("sampler 'evenly'")
        ...     def __init__(self, *, num_frames: PositiveInt = 8) -> None:
        ...         self.num_frames = num_frames
        >>> Evenly(num_frames=0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        videoseg.errors.ConfigError: option 'num_frames' of sampler 'evenly' must be a whole ...
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                bound = inspect.signature(function).bind(*args, **kwargs)
            except TypeError:
                return function(*args, **kwargs)  # which raises Python's own message
            names = _parameters(function)
            typed = names.keys() & _hints(function).keys() & bound.arguments.keys()
            options = {name: bound.arguments[name] for name in names if name in typed}
            others = tuple(name for name in names if name not in typed)
            converted, problems = check_options(label, function, options, others)
            bound.arguments.update(converted)
            if problems:
                raise ConfigError(problems)
            return function(*bound.args, **bound.kwargs)

        return checked

    return decorate


def check_options(
    label: str, factory: Callable[..., Any], options: Mapping[str, Any], given: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    """Return the options converted to their annotated types, and every problem found.

    Args:
        label: What messages call the component, such as ``sampler 'every'``.
        factory: The class or function that builds it.
        options: What the user asked for.
        given: Arguments that the pipeline supplies itself.
    """
    parameters = _parameters(factory)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in _signature(factory).parameters.values())
    names = [name for name in parameters if name not in given]
    converted: dict[str, Any] = {}
    problems: list[str] = []
    hints = _hints(factory)
    for name, value in options.items():
        if name in names or (takes_any and name not in given):
            converted[name], problem = convert_option(value, hints.get(name, Any))
            if problem:
                problems.append(f"option {name!r} of {label} {problem}")
        elif len(problems) < _MAX_PROBLEMS:
            problems.append(f"{label} has no option {shorten(name)}; {_nearest(name, names)}")
    for name in names:
        if parameters[name].default is inspect.Parameter.empty and name not in options:
            problems.append(f"{label} needs option {name!r}")
    return converted, problems


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}its options are: {', '.join(names) if names else 'none'}"


def convert_option(value: Any, annotation: Any) -> tuple[Any, str]:
    """Return a value converted to an annotated type, and the problem with it.

    Args:
        value: What was given.
        annotation: The type, perhaps with constraints: ``Annotated[int, Interval(ge=1, le=9)]``.

    Returns:
        The value, and a message such as ``must be a whole number from 1 to 9, got 10``; the
        message is empty if the value is allowed.

    Example:
        >>> convert_option("10", Annotated[int, Ge(1)])
        (10, '')
    """
    from pydantic import ValidationError

    if getattr(value, "shape", None) == ():
        # A number of NumPy or torch, which may be a truth value or NaN like one of Python's.
        value = value.item()
    if problem := _unrecordable(value):
        return value, f"must be {problem}, got {shorten(value)}"
    adapter = _adapter(annotation)
    if adapter is None:
        return value, ""
    try:
        converted = adapter.validate_python(value)
    except ValidationError as error:
        # On the command line and in YAML None is a word of four letters.
        may_be_none = value == "None" and NoneType in get_args(annotation)
        hint = "; write null for none" if may_be_none else ""
        return value, f"{_requirement(annotation, error)}, got {shorten(value)}{hint}"
    if _is_truth_as_number(value, converted):
        allowed = _allowed(_schema(annotation) or {}) or "a number"
        return value, f"must be {allowed}, got {shorten(value)}"
    return converted, ""


def _requirement(annotation: Any, error: Any) -> str:
    """Return what a value must be, or why a validator refused it."""
    found = error.errors()[:3]
    own = dict.fromkeys(str(one["msg"]) for one in found if one["type"] in _OWN_ERRORS)
    if not own and (allowed := _allowed(_schema(annotation) or {})):
        return f"must be {allowed}"
    messages = own or dict.fromkeys(str(one["msg"]) for one in found)
    texts = [_PREFIX.sub("", _SHOULD.sub("must", text)) for text in messages]
    return "; ".join(text if text.startswith("must") else f"is refused: {text}" for text in texts)


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
        # Types with a configuration of their own refuse another one.
        return TypeAdapter(annotation)


def _unrecordable(value: Any, depth: int = 0) -> str:
    """Return what a value must be for a result to record it; empty if it already is."""
    if depth > _MAX_DEPTH:
        return f"nested at most {_MAX_DEPTH} levels deep"
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "a number that fits into 64 bits"
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        inner = list(value)
    return next((problem for one in inner if (problem := _unrecordable(one, depth + 1))), "")


def _is_truth_as_number(value: Any, converted: Any) -> bool:
    """Return whether true or false was read as a number, which is always a mistake."""
    if isinstance(value, bool):
        return isinstance(converted, int | float) and not isinstance(converted, bool)
    if isinstance(value, list | tuple) and isinstance(converted, list | tuple):
        return any(map(_is_truth_as_number, value, converted))
    if isinstance(value, Mapping) and isinstance(converted, Mapping):
        return any(_is_truth_as_number(one, converted.get(key)) for key, one in value.items())
    return False


# -- reading signatures ----------------------------------------------------------------------


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
