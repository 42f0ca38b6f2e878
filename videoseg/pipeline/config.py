"""The configuration of a pipeline: the component of each stage with its options, as YAML."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videoseg.errors import ConfigError
from videoseg.files import expand_path, read_text
from videoseg.pipeline.yaml_text import MAX_CHARACTERS, parse_yaml
from videoseg.text import shorten, shorten_text
from videoseg.types import to_dict
from videoseg.types.scalars import whole_number

__all__ = [
    "DEFAULT_MAX_TURNS",
    "MAX_TURNS",
    "REQUIRED_STAGES",
    "STAGES",
    "PipelineConfig",
    "Use",
    "check_max_turns",
    "config_from_mapping",
    "read_config",
    "use",
]

STAGES: tuple[str, ...] = ("sampler", "grounder", "segmenter", "propagator", "chat")
"""The places a component can fill in a pipeline; ``segmenter`` and ``chat`` may stay empty."""

REQUIRED_STAGES: tuple[str, ...] = ("sampler", "grounder", "propagator")
"""The stages that every pipeline has."""

DEFAULT_MAX_TURNS = 4
MAX_TURNS = 1_000
"""The largest turn budget of a grounder."""

_SCHEMA_VERSION = 1
_MOST_UNKNOWN = 10


@dataclass(frozen=True, slots=True)
class Use:
    """A component by name, with options for its constructor."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Any:
        """Return what a configuration file holds: the name, or name and options."""
        if not self.options:
            return self.name
        # A component that wraps another one has that as an option.
        options = {
            name: value.to_dict() if isinstance(value, Use) else value
            for name, value in self.options.items()
        }
        return {"name": self.name, "options": options}


def use(name: str, **options: Any) -> Use:
    """Name a component together with options.

    Example:
        >>> use("uniform", num_frames=8)
        Use(name='uniform', options={'num_frames': 8})
    """
    return Use(name, options)


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """A pipeline made of named components only, so that it can be saved.

    Args:
        sampler: The sampler.
        grounder: The grounder.
        propagator: The propagator.
        segmenter: The segmenter; None if the propagator takes the grounder's prompts itself.
        chat: The chat model that sampler and grounder share, for those that use one.
        max_turns: How many moves the grounder has.
        name: What the pipeline is called.
    """

    sampler: Use
    grounder: Use
    propagator: Use
    segmenter: Use | None = None
    chat: Use | None = None
    max_turns: int = DEFAULT_MAX_TURNS
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a file holds it: numbers, text, lists and mappings.

        Raises:
            ConfigError: If an option is of another type; paths and NumPy numbers are converted.
        """
        data: dict[str, Any] = {"videoseg": _SCHEMA_VERSION}
        if self.name:
            data["name"] = self.name
        for stage in STAGES:
            value: Use | None = getattr(self, stage)
            if value is not None:
                data[stage] = value.to_dict()
        data["max_turns"] = self.max_turns
        plain: dict[str, Any] = to_dict(data)
        return plain

    def to_yaml(self) -> str:
        """Return the configuration as YAML.

        Raises:
            ConfigError: As ``to_dict``.
        """
        import yaml

        text: str = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        return text


def config_from_mapping(data: object, *, source: str = "the configuration") -> PipelineConfig:
    """Read a configuration from a mapping.

    Raises:
        ConfigError: If anything is missing, unknown or of the wrong type; lists everything.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{source} must be a mapping with {', '.join(REQUIRED_STAGES)}, "
            f"got {type(data).__name__}"
        )
    problems: list[str] = []
    known = ("videoseg", "name", "max_turns", *STAGES)
    unknown = [key for key in data if key not in known]
    for key in unknown[:_MOST_UNKNOWN]:
        close = difflib.get_close_matches(str(key), known, n=1) if isinstance(key, str) else []
        hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(known)}"
        problems.append(f"unknown key {shorten(key)}, {hint}")
    if len(unknown) > _MOST_UNKNOWN:
        problems.append(f"and {len(unknown) - _MOST_UNKNOWN:,} more unknown keys")
    version = data.get("videoseg", _SCHEMA_VERSION)
    if version != _SCHEMA_VERSION:
        problems.append(
            f"'videoseg: {shorten(version)}' is not a version this release reads "
            f"({_SCHEMA_VERSION})"
        )
    stages: dict[str, Use] = {}
    for stage in STAGES:
        if data.get(stage) is None:
            if stage in REQUIRED_STAGES:
                problems.append(f"{stage!r} is missing")
            continue
        try:
            stages[stage] = _read_use(stage, data[stage])
        except ConfigError as error:
            problems += error.problems
    try:
        max_turns = check_max_turns(data.get("max_turns", DEFAULT_MAX_TURNS))
    except ConfigError as error:
        problems += error.problems
    name = data.get("name", "")
    if not isinstance(name, str):
        problems.append(f"'name' must be text, got {shorten(name)}")
    if problems:
        raise ConfigError([f"{source}: {problem}" for problem in problems])
    return PipelineConfig(**stages, max_turns=max_turns, name=name)


def check_max_turns(value: object) -> int:
    """Return a turn budget as an ``int``.

    Raises:
        ConfigError: If it is not a whole number from 1 to ``MAX_TURNS``.
    """
    try:
        number = whole_number(value, "max_turns", least=1)
    except ConfigError:
        number = 0
    if not 1 <= number <= MAX_TURNS:
        raise ConfigError(
            f"'max_turns' must be a whole number from 1 to {MAX_TURNS:,}, got {shorten(value)}"
        )
    return number


def read_config(source: str | Path) -> PipelineConfig:
    """Read a YAML configuration from a file, or from YAML text that spans several lines.

    Raises:
        ConfigError: If the file cannot be read, is not YAML, or is not a configuration.
    """
    if isinstance(source, str) and "\n" in source:
        label, text = "the configuration", source
    else:
        label = shorten_text(os.fspath(source), 200)
        try:
            text = read_text(expand_path(source), max_bytes=4 * MAX_CHARACTERS)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"cannot read the pipeline file {label}: {reason}") from error
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{label} is not valid YAML: {error}") from error
    return config_from_mapping(data, source=label)


def _read_use(stage: str, value: object) -> Use:
    """Read the entry of one stage.

    Raises:
        ConfigError: If it is not a component with its options.
    """
    if isinstance(value, str) and value:
        return Use(value)
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{stage!r} must be a name, or a mapping with name and options; got {shorten(value)}"
        )
    extra = [key for key in value if key not in ("name", "options")]
    name, options = value.get("name"), value.get("options") or {}
    if extra:
        keys = ", ".join(map(shorten, extra[:_MOST_UNKNOWN]))
        raise ConfigError(f"{stage!r} has unknown keys {keys}; allowed: name, options")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{stage!r} needs a 'name'")
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        raise ConfigError(f"the options of {stage!r} must be a mapping of names to values")
    return Use(name, dict(options))
