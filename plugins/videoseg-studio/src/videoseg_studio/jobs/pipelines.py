"""The pipelines that clients may choose from, and what they may change in them.

A client chooses one of the pipelines that the operator has named, and sets options whose values
are numbers, truth values or fixed words. Options with other values name files, addresses, models
or components; those are refused unless the operator allows them one by one. So no client can make
the server read a checkpoint, unpickle a file or connect to an address of the client's choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from videoseg.cli import checked_pipeline
from videoseg.errors import ConfigError
from videoseg.pipeline import STAGES, Pipeline, PipelineConfig, Use
from videoseg.plugins import Option, default_registry
from videoseg.text import format_list, shorten

__all__ = ["AllowedPipelines"]

# Words in the description of a type whose values are numbers, truth values or nothing.
_PLAIN = frozenset(
    {"int", "float", "bool", "None", "tuple", "list", "and", "from", "to", "divisible", "by"}
)
_LITERAL = re.compile(r"'[^']*'")
_WORD = re.compile(r"[A-Za-z_]\w*")

# A truth value, but one that fetches files.
_REFUSED = frozenset({"download"})


class AllowedPipelines:
    """Pipelines by name, checked when the server starts.

    Args:
        names: Names of pipelines or YAML files, the default first.
        allowed_options: Options as ``stage.option`` that clients may set whatever their values.

    Raises:
        VideosegError: If a pipeline is unknown, or something that it needs is missing.
    """

    def __init__(self, names: Sequence[str], allowed_options: Sequence[str] = ()) -> None:
        self._pipelines: dict[str, Pipeline] = {}
        for name in dict.fromkeys(names):
            pipeline = checked_pipeline(name, stages={}, options={}, max_turns=None)
            readiness = pipeline.readiness()
            if readiness.state != "usable":
                raise ConfigError(
                    f"pipeline {shorten(name)} cannot be used on this machine: {readiness}"
                )
            is_file = name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name
            shown = Path(name).stem if is_file else name
            if shown in self._pipelines:
                raise ConfigError(f"two pipelines are called {shorten(shown)}; rename a file")
            self._pipelines[shown] = pipeline
        self._allowed = frozenset(allowed_options)
        for option in self._allowed:
            stage, dot, name = option.partition(".")
            if stage not in STAGES or not dot or not name:
                raise ConfigError(
                    f"{shorten(option)} must have the form stage.option, such as "
                    f"grounder.detector; the stages are {', '.join(STAGES)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The names, the default first."""
        return tuple(self._pipelines)

    def pipeline(self, name: str) -> Pipeline:
        """Return a pipeline; the default one for an empty name.

        Raises:
            ConfigError: If clients may not use it.
        """
        found = self._pipelines.get(name or self.names[0])
        if found is None:
            raise ConfigError(
                f"pipeline {shorten(name)} is not offered here; choose from "
                f"{', '.join(self.names)}"
            )
        return found

    def stages_of(self, name: str) -> dict[str, str]:
        """Return the component of each stage; its options may hold addresses and are not told."""
        stages = self.pipeline(name).stages
        return {stage: used.name for stage, used in stages.items() if isinstance(used, Use)}

    def options_of(self, name: str) -> dict[str, dict[str, Option]]:
        """Return the options that clients may set, by stage and name."""
        offered: dict[str, dict[str, Option]] = {}
        for stage, used in self.pipeline(name).stages.items():
            if isinstance(used, Use):
                options = default_registry().options(stage, used.name)
                offered[stage] = {
                    option: described
                    for option, described in options.items()
                    if self._is_offered(stage, option, described)
                }
        return offered

    def configure(self, name: str, options: Mapping[str, Mapping[str, Any]]) -> PipelineConfig:
        """Return the configuration of a pipeline with the options of a client.

        Args:
            name: The pipeline; empty for the default one.
            options: Options by stage and name.

        Raises:
            ConfigError: If the pipeline or an option is not offered, or a value is not allowed.
        """
        pipeline = self.pipeline(name)
        if options:
            self._check(name, options)
            pipeline = pipeline.replace(**{stage: dict(given) for stage, given in options.items()})
            if problems := pipeline.explain().problems:
                raise ConfigError(problems)
        return pipeline.config

    def _check(self, name: str, options: Mapping[str, Mapping[str, Any]]) -> None:
        offered = self.options_of(name)
        problems = []
        for stage, given in options.items():
            if stage not in offered:
                problems.append(
                    f"pipeline {shorten(name or self.names[0])} has no stage {shorten(stage)} "
                    f"with options; its stages are {', '.join(offered)}"
                )
                continue
            known = offered[stage]
            problems += [
                f"option {shorten(option)} of the {stage} is not offered here; offered are "
                f"{format_list(list(known), 20) if known else 'none'}"
                for option in given
                if option not in known
            ]
        if problems:
            raise ConfigError(problems)

    def _is_offered(self, stage: str, name: str, option: Option) -> bool:
        if f"{stage}.{name}" in self._allowed:
            return True
        if name in _REFUSED or not option.type:
            return False
        words = _WORD.findall(_LITERAL.sub("", option.type))
        return all(word in _PLAIN for word in words)
