"""Calls what builds a component, to keep the result or only to hear what it objects to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from videoseg._interruption import describe_error, foreign_code
from videoseg.errors import ConfigError, MissingWeightsError, PluginLoadError, VideosegError
from videoseg.stages import Closable
from videoseg.text import shorten

__all__ = ["call_factory", "find_problems"]

_CHECK = "check_options"
_DOWNLOAD = "download"


def call_factory(label: str, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call what builds a component; whatever it raises names the component.

    Args:
        label: What the component is called in messages, such as ``sampler 'every'``.
        factory: The class or function that builds it.
        arguments: Its keyword arguments.

    Raises:
        ConfigError: If it refuses its options.
        PluginLoadError: If it fails otherwise.
    """
    try:
        with foreign_code():
            return factory(**arguments)
    except (VideosegError, MemoryError):
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{label} cannot be built with {_told(arguments)}: {describe_error(error)}"
        ) from error
    except Exception as error:
        raise PluginLoadError(f"{label} cannot be built: {describe_error(error)}") from error


def find_problems(
    label: str, factory: Callable[..., Any], options: Mapping[str, Any], given: tuple[str, ...]
) -> list[str]:
    """Return what a constructor objects to in its options, one sentence each.

    Args:
        label: What the component is called in messages.
        factory: The class or function that builds it.
        options: Its options, converted to their types.
        given: Arguments the pipeline supplies itself, in whose place something stands in.
    """
    arguments: dict[str, Any] = dict(options)
    if arguments.get(_DOWNLOAD) is True:
        arguments[_DOWNLOAD] = False
    check = inspect.getattr_static(factory, _CHECK, None)
    try:
        if isinstance(check, staticmethod):
            call_factory(label, check.__func__, arguments)
            return []
        built = call_factory(label, factory, {**arguments, **dict.fromkeys(given, _StandIn())})
    except MissingWeightsError:
        return []
    except ConfigError as error:
        return [text if _names(text, label) else f"{label}: {text}" for text in error.problems]
    except VideosegError as error:
        return [str(error)]
    _let_go(built)
    return []


class _StandIn:
    """Stands where a constructor is given another stage, which it keeps for later."""

    def chat(self, *_arguments: Any, **_keywords: Any) -> Any:
        raise ConfigError("a constructor must not ask a chat model")


def _let_go(built: object) -> None:
    try:
        with foreign_code():
            if isinstance(built, Closable):
                built.close()
    except Exception:
        # It was never used; whoever uses it hears of this.
        return


def _told(arguments: Mapping[str, Any]) -> str:
    options = [f"{name}={shorten(value, 40)}" for name, value in [*arguments.items()][:10]]
    return ", ".join(options) or "its defaults"


def _names(text: str, label: str) -> bool:
    """Return whether a message already says whose option it is about."""
    name = label.partition(" ")[2].strip("'")
    return name in text
