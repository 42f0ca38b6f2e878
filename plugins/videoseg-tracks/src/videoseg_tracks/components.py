"""Components that an option names: a detector and a propagator inside a grounder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from videoseg import ConfigError, Detector, Propagator, Use, default_registry
from videoseg.stages import Closable, HasDevice, TracksNames

__all__ = ["build_detector", "build_follower", "close_all", "devices_of"]


def build_detector(given: object, *, owner: str) -> Detector:
    """Return the detector that an option names.

    Args:
        given: The name of a component, a mapping with ``name`` and ``options``,
            ``videoseg.use(...)``, or an instance.
        owner: The component whose option it is, for messages.

    Raises:
        ConfigError: If it is no detector, or its options are not allowed.
        MissingWeightsError: If its weights are not on this machine.
    """
    return cast(Detector, _build("detector", Detector, given, owner))


def build_follower(given: object, detector: Detector, *, owner: str) -> Propagator | None:
    """Return the propagator that an option names; see ``build_detector``.

    Returns:
        The propagator. If none is named, ``flow``, or None for a detector that follows what it
        finds by itself.
    """
    if given is None:
        if isinstance(detector, TracksNames):
            return None
        given = "flow"
    return cast(Propagator, _build("propagator", Propagator, given, owner))


def close_all(stages: Iterable[object]) -> None:
    """Free what the stages hold."""
    for stage in stages:
        if isinstance(stage, Closable):
            stage.close()


def devices_of(stages: Iterable[object]) -> str | None:
    """Return where the stages' models run, such as ``cuda:0``; None if none says so."""
    devices = [stage.device for stage in stages if isinstance(stage, HasDevice)]
    return ", ".join(dict.fromkeys(str(one) for one in devices if one is not None)) or None


def _build(kind: str, protocol: Any, given: object, owner: str) -> Any:
    if isinstance(given, protocol) and not isinstance(given, type):
        return given
    use = _parse_use(kind, given, owner)
    registry = default_registry()
    if needed := registry.find(kind, use.name).component.uses:
        raise ConfigError(
            f"{owner}: the {kind} {use.name!r} needs a {' and a '.join(needed)}, which a grounder "
            "cannot give it; pass an instance"
        )
    return registry.build(kind, use.name, use.options)


def _parse_use(kind: str, given: Any, owner: str) -> Use:
    if isinstance(given, str):
        return Use(given)
    if isinstance(given, Use):
        return given
    if isinstance(given, Mapping):
        name, options = given.get("name"), given.get("options") or {}
        if isinstance(name, str) and isinstance(options, Mapping) and set(given) <= _KEYS:
            return Use(name, options)
    example = "yolox" if kind == "detector" else "flow"
    raise ConfigError(
        f"{owner}: {kind} must be the name of a {kind} such as {example!r}, a mapping "
        f"{{name: ..., options: {{...}}}}, or an instance; got {type(given).__name__}"
    )


_KEYS = {"name", "options"}
