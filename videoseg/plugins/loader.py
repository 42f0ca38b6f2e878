"""Installed plug-ins: found by entry point, and registered each on its own."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from typing import Any, TypeVar

import pluggy

from videoseg._interruption import describe_error, foreign_code
from videoseg.errors import PluginLoadError
from videoseg.plugins.command import Command
from videoseg.plugins.component import Component
from videoseg.text import shorten_text

__all__ = [
    "ENTRY_POINT_GROUP",
    "OWN_DISTRIBUTION",
    "PluginFailure",
    "allowed_plugins",
    "describe_failures",
    "distribution_of",
    "import_target",
    "installed_entry_points",
    "read_declared",
]

ENTRY_POINT_GROUP = "videoseg"
OWN_DISTRIBUTION = "videoseg"
_ALLOW_LIST_VARIABLE = "VIDEOSEG_PLUGINS"
_LONGEST_DETAILS = 20_000
_MOST_SHOWN = 10
_MAX_DECLARED = 1_000

_Declared = TypeVar("_Declared", Component, Command)


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plug-in that could not be loaded, or a part of it.

    Args:
        plugin: Its name.
        distribution: The installed package it comes from, with its version.
        error: What went wrong, in one line.
        details: The traceback.
    """

    plugin: str
    distribution: str
    error: str
    details: str = ""

    @staticmethod
    def of(plugin: str, distribution: str, error: BaseException) -> PluginFailure:
        """Record an exception."""
        try:
            details = "".join(traceback.format_exception(error))
        except Exception:
            # Even the text of a foreign exception may fail to be made.
            details = ""
        details = shorten_text(details, _LONGEST_DETAILS)
        return PluginFailure(plugin, distribution, describe_error(error), details)


def describe_failures(failures: Sequence[PluginFailure]) -> str:
    """Return what to add to a message if plug-ins failed to load: the missing may be in one."""
    shown = "; ".join(f"{one.plugin} ({one.error})" for one in failures[:_MOST_SHOWN])
    return f". Plug-ins that failed to load: {shown}" if failures else ""


def allowed_plugins() -> frozenset[str] | None:
    """Return the names in ``VIDEOSEG_PLUGINS`` (comma-separated), or None if it is not set."""
    value = os.environ.get(_ALLOW_LIST_VARIABLE)
    if value is None:
        return None
    return frozenset(name.strip() for name in value.split(",") if name.strip())


def installed_entry_points(allow: Sequence[str] | frozenset[str] | None) -> Iterator[EntryPoint]:
    """Yield the installed plug-ins, the built-in one first, then by name.

    Args:
        allow: Names to let in; None for all. The built-in plug-in is always let in.
    """
    found = sorted(
        entry_points(group=ENTRY_POINT_GROUP),
        key=lambda entry: (distribution_of(entry)[0] != OWN_DISTRIBUTION, entry.name),
    )
    for entry in found:
        if distribution_of(entry)[0] == OWN_DISTRIBUTION or allow is None or entry.name in allow:
            yield entry


def distribution_of(entry: EntryPoint) -> tuple[str, str]:
    """Return (name, version) of the installed package an entry point comes from."""
    if entry.dist is None:
        return ("unknown", "")
    return (entry.dist.name, entry.dist.version)


def read_declared(
    manager: pluggy.PluginManager, name: str, hook: str, kind: type[_Declared]
) -> list[_Declared]:
    """Return what one plug-in declares through one hook.

    Args:
        manager: Where the plug-in is registered.
        name: The name of the plug-in.
        hook: The name of the hook.
        kind: What the hook must yield.

    Raises:
        PluginLoadError: If it yields something else, or too much.
    """
    declared: list[_Declared] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name != name:
            continue
        for found in islice(implementation.function() or (), _MAX_DECLARED + 1):
            if len(declared) == _MAX_DECLARED:
                raise PluginLoadError(
                    f"{hook} yields more than {_MAX_DECLARED:,} {kind.__name__.lower()}s; "
                    "it must come to an end"
                )
            if not isinstance(found, kind):
                raise PluginLoadError(
                    f"{hook} must yield videoseg.{kind.__name__} objects, "
                    f"got {type(found).__name__}"
                )
            declared.append(found)
    return declared


def import_target(target: str, label: str, distribution: str) -> Any:
    """Import what ``package.module:name`` refers to.

    Raises:
        PluginLoadError: If that fails; names what it is and the package it is from.
    """
    module_name, _, attribute = target.partition(":")
    try:
        with foreign_code():
            return getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        raise PluginLoadError(
            f"{label} of {distribution} could not be imported from {target}: "
            f"{describe_error(error)}"
        ) from error
