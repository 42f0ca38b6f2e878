"""Putting wrappers around the stages of a pipeline that is there already."""

from __future__ import annotations

from videoseg import ConfigError, Pipeline, Use, default_registry

__all__ = ["wrap"]

_KINDS = ("grounder", "propagator")


def wrap(pipeline: Pipeline, *wrappers: str | Use) -> Pipeline:
    """Return a pipeline with wrappers around its grounder and its propagator.

    Args:
        pipeline: The pipeline; the stages that are wrapped are given by name.
        wrappers: Names, or ``videoseg.use(name, option=...)``; the first goes innermost. Each is
            a component with an option ``grounder`` or ``propagator``, which it gets.

    Raises:
        ConfigError: If one of them is no wrapper, or a stage to be wrapped is an instance.

    Example:
        >>> import videoseg as vs
        >>> pipe = wrap(vs.Pipeline.from_name("attributes"), vs.use("on-doubt", asks=2))
        >>> pipe.config.propagator.to_dict()
        {'name': 'on-doubt', 'options': {'propagator': 'flow', 'asks': 2}}
    """
    stages = {kind: pipeline.stages[kind] for kind in _KINDS}
    for wrapper in wrappers:
        used = Use(wrapper) if isinstance(wrapper, str) else wrapper
        kind = _kind_of(used)
        inner = stages[kind]
        if not isinstance(inner, Use):
            raise ConfigError(
                f"the {kind} is an instance of {type(inner).__name__}, which a pipeline cannot "
                f"name in the options of {used.name!r}; register its class with "
                f"videoseg.add({kind!r}, ...) and use that name, or make the wrapper yourself and "
                "pass it as the stage"
            )
        # As a file holds it, so that the pipeline is the same once it has been saved and read.
        stages[kind] = Use(used.name, {kind: inner.to_dict(), **used.options})
    return pipeline.replace(**stages)


def _kind_of(used: Use) -> str:
    registry = default_registry()
    for kind in _KINDS:
        if used.name in registry.names(kind) and kind in registry.options(kind, used.name):
            return kind
    known = [
        entry.component.name
        for kind in _KINDS
        for entry in registry.components(kind)
        if entry.distribution == "videoseg-wrappers"
    ]
    raise ConfigError(
        f"{used.name!r} is no wrapper: a grounder with an option 'grounder', or a propagator "
        f"with an option 'propagator'; known: {', '.join(known)}"
    )
