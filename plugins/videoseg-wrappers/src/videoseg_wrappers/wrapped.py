"""The component inside a wrapper: named by an option, checked early, built with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from videoseg import ChatModel, ConfigError, Grounder, Propagator, Use, default_registry
from videoseg.errors import VideosegError
from videoseg.stages import Closable, HasDevice

__all__ = [
    "build_wrapped",
    "check_wrapped",
    "close_wrapped",
    "describe_wrapped",
    "device_of",
    "parse_use",
    "reads_sentences",
]

_Stage = TypeVar("_Stage")

_PROTOCOLS: Mapping[str, type[Any]] = {
    "grounder": Grounder,
    "propagator": Propagator,
    "chat": ChatModel,
}


def parse_use(kind: str, given: object, *, owner: str) -> Use | None:
    """Return the component that an option names; None if it holds an instance.

    Args:
        kind: ``grounder``, ``propagator`` or ``chat``.
        given: The name of a component, a mapping with ``name`` and ``options``,
            ``videoseg.use(...)``, or an instance.
        owner: The wrapper, for messages.

    Raises:
        ConfigError: If it is none of these.
    """
    if isinstance(given, str) and given:
        return Use(given)
    if isinstance(given, Use):
        return given
    if isinstance(given, Mapping):
        name, options = given.get("name"), given.get("options") or {}
        if isinstance(name, str) and isinstance(options, Mapping):
            if set(given) <= {"name", "options"}:
                return Use(name, options)
            extra = ", ".join(sorted(map(str, set(given) - {"name", "options"})))
            raise ConfigError(
                f"{owner}: the {kind} {name!r} has unknown keys {extra}; allowed: name, options"
            )
    elif isinstance(given, _PROTOCOLS[kind]) and not isinstance(given, type):
        return None
    raise ConfigError(
        f"{owner}: the option {kind!r} must be the name of a {kind}, a mapping "
        f"{{name: ..., options: {{...}}}}, or an instance; got {type(given).__name__}"
    )


def check_wrapped(kind: str, given: object, *, owner: str) -> None:
    """Check a component and its options without building it.

    Raises:
        ConfigError: If there is no such component, or its options are not allowed; with every
            problem, each after the owner's name.
    """
    used = parse_use(kind, given, owner=owner)
    if used is None:
        return
    try:
        problems = default_registry().check(kind, used.name, used.options)
        _check_uses(kind, used, owner)
    except ConfigError:
        raise
    except VideosegError as error:
        problems = [str(error)]
    if problems:
        raise ConfigError([f"{owner}: {problem}" for problem in problems])


def build_wrapped(kind: str, given: _Stage | object, *, owner: str, **stages: object) -> Any:
    """Return the component that an option names, or the instance that it holds.

    Args:
        kind: As for ``parse_use``.
        given: As for ``parse_use``.
        owner: As for ``parse_use``.
        stages: The pipeline's ``chat`` and ``segmenter``, for components that use them; None for
            one that it does not have.

    Raises:
        ConfigError: As ``check_wrapped``, or if it needs what the owner does not have.
    """
    used = parse_use(kind, given, owner=owner)
    if used is None:
        return given
    _check_uses(kind, used, owner)
    built = default_registry().build(kind, used.name, used.options, given=stages)
    if not isinstance(built, _PROTOCOLS[kind]):
        raise ConfigError(f"{owner}: {kind} {used.name!r} is not a {kind}")
    return built


def _check_uses(kind: str, used: Use, owner: str) -> None:
    uses = default_registry().find(kind, used.name).component.uses
    allowed = ("chat", "segmenter") if kind == "grounder" else ()
    if others := [needed for needed in uses if needed not in allowed]:
        raise ConfigError(
            f"{owner}: the {kind} {used.name!r} needs a {' and a '.join(others)} of the "
            f"pipeline, which {owner} cannot pass on; give an instance instead of the name"
        )


def describe_wrapped(given: object) -> str:
    """Return a component as text, with what it wraps itself: ``reflect(r1)``.

    Example:
        >>> describe_wrapped({"name": "existence", "options": {"grounder": "r1"}})
        'existence(r1)'
    """
    if isinstance(given, str):
        return given
    name, options = _name_and_options(given)
    if not name:
        return type(given).__name__
    for kind in ("grounder", "propagator"):
        if kind in options:
            return f"{name}({describe_wrapped(options[kind])})"
    return name


def reads_sentences(given: object) -> bool:
    """Return whether a grounder passes its query to a chat model, which reads whatever it says.

    Args:
        given: What the option ``grounder`` of a wrapper holds. An instance is taken to do so.
    """
    name, options = (given, {}) if isinstance(given, str) else _name_and_options(given)
    if not name:
        return True
    if "grounder" in options:
        return reads_sentences(options["grounder"])
    return "chat" in default_registry().find("grounder", name).component.uses


def close_wrapped(given: object, built: object) -> None:
    """Free a component, unless it was given as an instance."""
    if given is not built and isinstance(built, Closable):
        built.close()


def device_of(*stages: object) -> str | None:
    """Return the devices of components as text; None if none tells one."""
    known = [str(one.device) for one in stages if isinstance(one, HasDevice) and one.device]
    return ", ".join(dict.fromkeys(known)) or None


def _name_and_options(given: object) -> tuple[str, Mapping[str, Any]]:
    if isinstance(given, Use):
        return given.name, given.options
    if isinstance(given, Mapping):
        return str(given.get("name", "")), given.get("options") or {}
    return "", {}
