"""Whether pipelines can be used on this machine, weights included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from videoseg.errors import VideosegError
from videoseg.pipeline.composition import Composition
from videoseg.pipeline.config import STAGES, Use, config_from_mapping
from videoseg.plugins import RegisteredComponent, Registry
from videoseg.plugins.readiness import Readiness, State, judge_component

__all__ = ["describe_random_weights", "judge_composition", "judge_registered"]


def judge_registered(registry: Registry, entry: RegisteredComponent) -> Readiness:
    """Judge a registered component with its default options, a pipeline by its stages."""
    if entry.component.kind != "pipeline" or entry.missing_modules:
        return judge_component(registry, entry)
    name = entry.component.name
    try:
        data = registry.build("pipeline", name)
        config = replace(config_from_mapping(data, source=f"pipeline {name!r}"), name=name)
        stages = {stage: getattr(config, stage) for stage in STAGES}
        composition = Composition(stages, registry, max_turns=config.max_turns, name=name)
        composition.check()
        return _judge(composition, f"videoseg download {name}")
    except VideosegError as error:
        return Readiness("missing", problem=str(error))


def describe_random_weights(record: Mapping[str, Any]) -> list[str]:
    """Return a warning for each component of a pipeline that has random weights.

    Args:
        record: The pipeline's configuration as a result records it.

    Example:
        >>> describe_random_weights({"grounder": {"name": "toy", "options": {}}})
        []
    """
    found = []
    for kind, value in record.items():
        options = value.get("options") if isinstance(value, Mapping) else None
        if not isinstance(options, Mapping):
            continue
        # Plug-ins say it with an option of its own, or with the name of no checkpoint.
        if options.get("random_weights") or options.get("checkpoint") == "random":
            found.append(
                f"{kind} {value.get('name')!r} has random weights: nothing that it finds means "
                "anything"
            )
        found += describe_random_weights(options)
    return found


def judge_composition(composition: Composition) -> Readiness:
    """Judge the stages of a pipeline together."""
    name = composition.pipeline_name
    is_registered = bool(name) and _is_registered(composition)
    return _judge(composition, f"videoseg download {name}" if is_registered else "")


def _judge(composition: Composition, download: str) -> Readiness:
    """Judge the stages of a pipeline.

    Args:
        composition: The stages.
        download: The command that downloads all weights; empty for one of each stage.
    """
    found: list[Readiness] = []
    for stage in STAGES:
        given = composition.stages[stage]
        if not isinstance(given, Use):
            continue
        entry = composition.registered(stage)
        if entry is not None:
            found.append(judge_component(composition.registry, entry, given.options))
    missing = tuple(dict.fromkeys(module for one in found for module in one.missing))
    weights = tuple(dict.fromkeys(weights for one in found for weights in one.weights))
    commands = [
        command
        for one in found
        for command in one.remedy.split(" && ")
        if command and not (download and command.startswith("videoseg download "))
    ]
    if weights and download:
        commands.append(download)
    state: State = "needs download" if weights else "usable"
    if any(one.state == "missing" for one in found):
        state = "missing"
    problems = dict.fromkeys(one.problem for one in found if one.problem)
    remedy = " && ".join(dict.fromkeys(commands))
    return Readiness(state, missing, weights, remedy, "; ".join(problems))


def _is_registered(composition: Composition) -> bool:
    """Return whether these are the stages that the registry has under this name."""
    name, registry = composition.pipeline_name, composition.registry
    if name not in registry.names("pipeline"):
        return False
    try:
        data: Mapping[str, object] = registry.build("pipeline", name)
        config = config_from_mapping(data)
        return all(getattr(config, stage) == composition.stages[stage] for stage in STAGES)
    except VideosegError:
        return False
