"""Building components: what their constructors raise, told with the component's name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from videoseg._interruption import describe_error, foreign_code
from videoseg.errors import ConfigError, MissingWeightsError, PluginLoadError, VideosegError
from videoseg.plugins.component import RegisteredComponent
from videoseg.stages import Closable
from videoseg.text import shorten

__all__ = ["call_factory", "try_options"]

_CHECK = "check_options"
_DOWNLOAD = "download"


def call_factory(label: str, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call what builds a component; what it raises names the component.

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
            f"{label} cannot be built with {_list_arguments(arguments)}: {describe_error(error)}"
        ) from error
    except Exception as error:
        raise PluginLoadError(f"{label} cannot be built: {describe_error(error)}") from error


def try_options(
    entry: RegisteredComponent, factory: Callable[..., Any], options: Mapping[str, Any]
) -> tuple[list[str], str]:
    """Return the problems that a constructor finds in its options, and which weights it misses.

    Args:
        entry: The component; a placeholder stands in for each stage that it uses.
        factory: The class or function that builds it.
        options: Its options, converted to their types.
    """
    name, label = entry.component.name, entry.label
    arguments: dict[str, Any] = dict(options)
    if arguments.get(_DOWNLOAD) is True:
        arguments[_DOWNLOAD] = False
    check = inspect.getattr_static(factory, _CHECK, None)
    try:
        if isinstance(check, staticmethod):
            call_factory(label, check.__func__, arguments)
            return [], ""
        stand_ins = dict.fromkeys(entry.component.taken_stages, _StandIn())
        built = call_factory(label, factory, {**arguments, **stand_ins})
    except MissingWeightsError as error:
        return [], str(error)
    except ConfigError as error:
        return [text if name in text else f"{label}: {text}" for text in error.problems], ""
    except VideosegError as error:
        return [str(error)], ""
    _discard(built)
    return [], ""


class _StandIn:
    """A placeholder for another stage that a constructor keeps for later."""

    def chat(self, *_arguments: Any, **_keywords: Any) -> Any:
        raise ConfigError("a constructor must not ask a chat model")


def _discard(built: object) -> None:
    try:
        with foreign_code():
            if isinstance(built, Closable):
                built.close()
    except Exception:
        # It was never used; a run that uses it reports this.
        return


def _list_arguments(arguments: Mapping[str, Any]) -> str:
    options = [f"{name}={shorten(value, 40)}" for name, value in [*arguments.items()][:10]]
    return ", ".join(options) or "its defaults"
