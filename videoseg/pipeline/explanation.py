"""Descriptions of pipelines, made before anything heavy loads."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, replace

from videoseg.errors import VideosegError
from videoseg.pipeline.composition import Composition
from videoseg.pipeline.config import STAGES, Use
from videoseg.pipeline.readiness import judge_composition
from videoseg.plugins.readiness import Readiness, WeightsState, find_parts, find_weights

__all__ = ["Explanation", "StageExplanation", "explain"]


@dataclass(frozen=True, slots=True)
class StageExplanation:
    """One stage of a pipeline.

    Args:
        stage: Its place.
        name: The component that fills it.
        summary: What the component does.
        options: The options given to it.
        provided_by: The package it comes from.
        takes: For the propagator: the kinds of prompts it takes.
        license: License of code and weights, where users should know it.
        remedy: The command that installs what is missing; empty if nothing is.
        weights: The published weights that it needs, and whether they are on this machine.
    """

    stage: str
    name: str
    summary: str
    options: dict[str, object]
    provided_by: str
    takes: tuple[str, ...] = ()
    license: str = ""
    remedy: str = ""
    weights: tuple[WeightsState, ...] = ()

    @property
    def call(self) -> str:
        """The component with its options, such as ``uniform(num_frames=8)``."""
        options = ", ".join(f"{key}={_shown(value)}" for key, value in self.options.items())
        return f"{self.name}({options})" if options else self.name


@dataclass(frozen=True, slots=True)
class Explanation:
    """A pipeline, stage by stage. ``print`` it, or let a notebook show it.

    Args:
        name: What the pipeline is called.
        stages: Its stages, in the order in which they run.
        max_turns: How many moves the grounder has.
        problems: What would keep it from running, apart from missing weights.
        readiness: Whether it can be used on this machine, weights included.
    """

    name: str
    stages: tuple[StageExplanation, ...]
    max_turns: int
    problems: tuple[str, ...]
    readiness: Readiness

    def __str__(self) -> str:
        lines = [self._title()]
        for stage in self.stages:
            lines.append(f"  {stage.stage:<11}{stage.call}  [{stage.provided_by}]")
            if stage.summary:
                lines.append(f"  {'':<11}{stage.summary}")
            if stage.takes:
                lines.append(f"  {'':<11}takes {', '.join(stage.takes)}")
            if stage.license:
                lines.append(f"  {'':<11}license: {stage.license}")
            lines += [f"  {'':<11}weights: {weights}" for weights in stage.weights]
            lines += [f"  {'':<11}terms: {one.terms}" for one in stage.weights if one.terms]
        lines += [f"  problem: {problem}" for problem in self.problems]
        if not self.problems:
            lines.append(f"  {'state':<11}{self.readiness}")
        return "\n".join(lines)

    def _title(self) -> str:
        name = f"pipeline {self.name}" if self.name else "pipeline"
        return f"{name} (at most {self.max_turns} turn{'s' if self.max_turns > 1 else ''})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(stage.stage)}</th>"
            f"<td style='text-align:left'><code>{html.escape(stage.call)}</code></td>"
            f"<td style='text-align:left'>{html.escape(stage.summary)}</td>"
            f"<td style='text-align:left'>{html.escape(', '.join(stage.takes))}</td>"
            f"<td style='text-align:left'>{html.escape(stage.provided_by)}</td>"
            f"<td style='text-align:left'>{html.escape(stage.license)}</td></tr>"
            for stage in self.stages
        )
        problems = "".join(
            f"<li>{html.escape(f'problem: {problem}')}</li>" for problem in self.problems
        )
        if not self.problems and self.readiness.state != "usable":
            problems = f"<li>{html.escape(str(self.readiness))}</li>"
        return (
            f"<table><caption style='text-align:left'>{html.escape(self._title())}</caption>"
            "<thead><tr><th>stage</th><th>component</th><th>what it does</th>"
            "<th>takes</th><th>from</th><th>license</th></tr></thead><tbody>"
            f"{rows}</tbody></table>" + (f"<ul>{problems}</ul>" if problems else "")
        )


def explain(composition: Composition) -> Explanation:
    """Describe a composition; constructors only check their options."""
    stages: list[StageExplanation] = []
    problems: list[str] = []
    for stage in ("chat", *(s for s in STAGES if s != "chat")):
        given = composition.stages[stage]
        if given is None:
            continue
        takes: tuple[str, ...] = ()
        capabilities = composition.capabilities() if stage == "propagator" else None
        if capabilities is not None:
            takes = tuple(k for k in ("masks", "boxes", "points") if getattr(capabilities, k))
            takes += tuple(f"{model} embeddings" for model in capabilities.embeddings)
        if not isinstance(given, Use):
            summary = (type(given).__doc__ or "").strip().split("\n")[0]
            where = f"instance from {type(given).__module__}"
            stages.append(
                StageExplanation(stage, type(given).__name__, summary, {}, where, takes=takes)
            )
            continue
        entry = composition.registered(stage)
        if entry is None:
            continue
        try:
            parts = [part for part, _ in find_parts(composition.registry, entry, given.options)]
        except VideosegError:
            # The check of its options tells this.
            parts = [entry]
        problems += [
            f"{part.label} needs {', '.join(part.missing_modules)}: {part.remedy}"
            for part in parts
            if part.remedy
        ]
        licenses = [
            part.component.license if part is entry else f"{part.component.license} ({part.label})"
            for part in parts
            if part.component.license
        ]
        stages.append(
            StageExplanation(
                stage,
                given.name,
                entry.component.summary,
                dict(given.options),
                f"{entry.distribution} {entry.version}".strip(),
                takes=takes,
                license="; ".join(dict.fromkeys(licenses)),
                remedy=entry.remedy,
                weights=find_weights(composition.registry, entry, given.options),
            )
        )
    said: dict[str, str] = {}
    try:
        if not problems:
            found, said = composition.examine_options()
            problems += found
    except VideosegError as error:
        problems.append(str(error))
    return Explanation(
        composition.pipeline_name,
        tuple(stages),
        composition.max_turns,
        tuple(problems),
        _with_missing_files(judge_composition(composition), stages, said),
    )


def _with_missing_files(
    readiness: Readiness, stages: list[StageExplanation], said: dict[str, str]
) -> Readiness:
    """Add what constructors miss that is not published, such as a file that an option names."""
    published = {stage.stage for stage in stages if any(one.problem for one in stage.weights)}
    others = [f"{stage}: {text}" for stage, text in said.items() if stage not in published]
    if not others:
        return readiness
    problem = "; ".join(filter(None, [readiness.problem, *others]))
    return replace(readiness, state="missing", problem=problem)


def _shown(value: object) -> str:
    """Return an option; a component in it as a call, such as ``yolox(min_score=0.1)``."""
    if isinstance(value, Mapping) and "name" in value and value.keys() <= {"name", "options"}:
        given = (value.get("options") or {}).items()
        options = ", ".join(f"{key}={_shown(inner)}" for key, inner in given)
        return f"{value['name']}({options})" if options else str(value["name"])
    return repr(value)
