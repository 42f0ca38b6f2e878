"""A component that is registered, and what is said of one that is not, or twice."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from videoseg.plugins.component import KINDS, Component
from videoseg.plugins.loader import PluginFailure
from videoseg.text import shorten

__all__ = ["RegisteredComponent", "conflict_text", "not_found_text"]

_MOST_FAILURES = 10


@dataclass(frozen=True, slots=True)
class RegisteredComponent:
    """A component and where it comes from.

    Args:
        component: What was declared.
        plugin: The plug-in that declared it.
        distribution: The installed package, or ``this session`` for ``videoseg.add``.
        version: The package's version.
        factory: The class itself, for components added in the session.
    """

    component: Component
    plugin: str
    distribution: str
    version: str = ""
    factory: Callable[..., Any] | None = None

    @property
    def missing_modules(self) -> tuple[str, ...]:
        """Required modules that are not installed."""
        return self.component.missing_modules()

    @property
    def remedy(self) -> str:
        """The command that installs what is missing; empty if nothing is."""
        missing = self.missing_modules
        if not missing:
            return ""
        return f"pip install {self.component.install or ' '.join(missing)}"


def not_found_text(
    kind: str,
    name: str,
    components: Sequence[RegisteredComponent],
    failures: Sequence[PluginFailure],
) -> str:
    """Return what to say of a component that is not registered.

    Args:
        kind: The kind asked for.
        name: The name asked for.
        components: Everything that is registered.
        failures: The plug-ins that failed to load, which it may be in.
    """
    if kind not in KINDS:
        return f"there is no kind {shorten(kind)}; the kinds are {', '.join(KINDS)}"
    known = [entry.component for entry in components]
    names = list(dict.fromkeys(one.name for one in known if one.kind == kind))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    text = f"there is no {kind} {shorten(name)}; "
    if close:
        text += f"did you mean {' or '.join(repr(match) for match in close)}? "
    text += f"known: {', '.join(names) if names else 'none'}"
    elsewhere = sorted({one.kind for one in known if one.name == name})
    if elsewhere:
        text += f". There is a {' and a '.join(elsewhere)} of that name"
    if failures:
        failed = "; ".join(f"{f.plugin} ({f.error})" for f in failures[:_MOST_FAILURES])
        text += f". Plug-ins that failed to load: {failed}"
    return text


def conflict_text(entries: Sequence[RegisteredComponent]) -> str:
    """Return what to say of a component that several plug-ins declare."""
    component = entries[0].component
    owners = " and ".join(sorted({f"{e.distribution} {e.version}".strip() for e in entries}))
    return (
        f"{component.kind} {component.name!r} is declared by {owners}; "
        "uninstall one, or list the plug-ins to load in VIDEOSEG_PLUGINS"
    )
