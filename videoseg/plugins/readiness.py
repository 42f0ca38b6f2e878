"""Whether components can be used on this machine, their weights included."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from videoseg.errors import VideosegError
from videoseg.plugins.component import RegisteredComponent, components_in
from videoseg.text import format_bytes
from videoseg.weights.published import PublishedWeights, download_command

if TYPE_CHECKING:
    from videoseg.plugins.registry import Registry

__all__ = [
    "Readiness",
    "State",
    "WeightsState",
    "find_weights",
    "judge_component",
    "plain_options",
]

_logger = logging.getLogger(__name__)

State: TypeAlias = Literal["usable", "needs download", "missing"]


@dataclass(frozen=True, slots=True)
class WeightsState:
    """Published weights that something needs, and whether they are on this machine.

    Args:
        name: What messages call them.
        source: Where they are published; empty for random ones.
        num_bytes: Their size; 0 if unknown.
        license: Their license; empty if it is not declared.
        terms: What has to be agreed to before they are fetched; empty if nothing.
        problem: What is wrong with them here, such as ``is not on this machine``; empty if
            they are here.
    """

    name: str
    source: str
    num_bytes: int
    license: str
    terms: str
    problem: str

    @classmethod
    def of(cls, weights: PublishedWeights) -> WeightsState:
        """Look for weights on this machine."""
        return cls(
            weights.name,
            weights.source,
            weights.num_bytes,
            weights.license,
            weights.terms,
            weights.problem(),
        )

    def __str__(self) -> str:
        if not self.source:
            return self.name
        facts = [format_bytes(self.num_bytes)] if self.num_bytes else []
        facts += [self.license] if self.license else []
        about = f" ({'; '.join(facts)})" if facts else ""
        return f"{self.name}{about}: {self.problem.removeprefix('is ') or 'here'}"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a component or a pipeline can be used on this machine, and what to do if not.

    ``print`` it for one line.

    Args:
        state: ``usable``, ``needs download`` (only weights are missing) or ``missing``.
        missing: Modules that are not installed.
        weights: The published weights that are not here.
        remedy: The commands that install and download what is missing, joined by ``&&``.
        problem: What is wrong if no command mends it, such as a file that an option names and
            that is not there, or random weights.
    """

    state: State
    missing: tuple[str, ...] = ()
    weights: tuple[WeightsState, ...] = ()
    remedy: str = ""
    problem: str = ""

    @property
    def num_bytes(self) -> int:
        """How much is to be downloaded; 0 if the size of something is unknown."""
        sizes = [one.num_bytes for one in self.weights]
        return sum(sizes) if all(sizes) else 0

    @property
    def size(self) -> str:
        """How much is to be downloaded, in words."""
        if not self.weights:
            return ""
        known = sum(one.num_bytes for one in self.weights)
        if self.num_bytes or not known:
            return format_bytes(known) if known else "size unknown"
        return f"more than {format_bytes(known)}"

    def __str__(self) -> str:
        lacks = f"missing {', '.join(self.missing)}" if self.missing else ""
        if self.weights:
            lacks = f"{lacks} and weights" if lacks else self.state
        text = ": ".join(filter(None, [lacks, self.remedy]))
        text = f"{text} ({self.size})" if self.weights else text
        text = text or (self.state if self.state == "usable" else "")
        return "; ".join(filter(None, [text, self.problem]))


def judge_component(
    registry: Registry, entry: RegisteredComponent, options: Mapping[str, Any] | None = None
) -> Readiness:
    """Judge whether a component can be used with some options, without importing it."""
    component = entry.component
    weights = find_weights(registry, entry, options or {})
    lacking = tuple(one for one in weights if one.problem)
    missing = entry.missing_modules
    commands = [entry.remedy] if missing else []
    if lacking:
        commands += _downloads(registry, component.kind, component.name, options or {})
    state: State = "missing" if missing else "needs download" if lacking else "usable"
    # What is random has no source.
    random = [one.name for one in weights if not one.source]
    return Readiness(state, missing, lacking, " && ".join(commands), "; ".join(random))


def _downloads(registry: Registry, kind: str, name: str, options: Mapping[str, Any]) -> list[str]:
    """Return the commands that download what a component needs, and what those in its options do.

    Each component has a command of its own, since a component cannot be written as an option of
    the command line together with its options.
    """
    component = registry.find(kind, name).component
    commands = []
    if any(one.problem() for one in component.published_weights(options)):
        commands.append(download_command(kind, name, **plain_options(options)))
    for inner in components_in(options):
        commands += _downloads(registry, *inner)
    return list(dict.fromkeys(commands))


def find_weights(
    registry: Registry, entry: RegisteredComponent, options: Mapping[str, Any]
) -> tuple[WeightsState, ...]:
    """Return the weights that a component needs; nothing if it cannot say which."""
    component = entry.component
    try:
        found: Iterable[PublishedWeights] = registry.weights(
            component.kind, component.name, options
        )
        return tuple(WeightsState.of(one) for one in found)
    except (VideosegError, OSError) as error:
        # A broken plug-in must not hide the others.
        _logger.warning("cannot check the weights of %s: %s", entry.label, error)
        return ()


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that can be typed on a command line."""
    return {
        name: value
        for name, value in options.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
