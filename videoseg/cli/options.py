"""Command line options that choose a pipeline, and the pipeline they describe."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from videoseg.cli.completion import beginning, complete_components, complete_pipelines
from videoseg.errors import ConfigError
from videoseg.files import expand_path
from videoseg.text import shorten

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline, Use

__all__ = [
    "checked_pipeline",
    "named_pipeline",
    "parse_options",
    "parse_value",
    "pipeline_options",
]


_Command = TypeVar("_Command", bound=Callable[..., Any])


def _complete_options(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Complete ``STAGE.OPTION=``, with the options of the components that were chosen."""
    from videoseg.errors import VideosegError
    from videoseg.pipeline import STAGES, Use
    from videoseg.plugins import default_registry

    stage, dot, option = incomplete.partition(".")
    if not dot:
        return beginning([f"{name}." for name in STAGES], incomplete)
    name = context.params.get(stage)
    try:
        if name is None:
            use = named_pipeline(context.params.get("pipeline") or "attributes").stages.get(stage)
            name = use.name if isinstance(use, Use) else None
        options = {} if name is None else default_registry().options(stage, name)
    except VideosegError:
        # What is typed so far names nothing that exists; the command will say so.
        return []
    return beginning([f"{stage}.{each}=" for each in options], f"{stage}.{option}")


_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


def _read_device(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and _DEVICE.fullmatch(value) is None:
        raise click.BadParameter(
            f"there is no device {shorten(value)}; give auto, cpu, cuda, cuda:1 (a GPU by its "
            "number) or mps (Apple's GPU)"
        )
    return value


def _complete_device(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    return beginning(("auto", "cpu", "cuda", "mps"), incomplete)


def _stage_option(stage: str, *others: str, what: str = "") -> Callable[[_Command], _Command]:
    alternatives = "".join(f", or '{word}'" for word in others)
    return click.option(
        f"--{stage}",
        metavar="NAME",
        shell_complete=complete_components(stage, *others),
        help=f"Replace the {what or stage}{alternatives}.",
    )


_PIPELINE_OPTIONS = (
    click.option(
        "--pipeline",
        default="attributes",
        show_default=True,
        metavar="NAME",
        shell_complete=complete_pipelines,
        help="A pipeline, or a YAML file that describes one.",
    ),
    _stage_option("sampler"),
    _stage_option("grounder"),
    _stage_option("segmenter", "none"),
    _stage_option("propagator"),
    _stage_option("chat", "none", what="chat model"),
    click.option(
        "-O",
        "--option",
        "options",
        multiple=True,
        metavar="STAGE.OPTION=VALUE",
        shell_complete=_complete_options,
        help="Set an option of a stage; `videoseg plugins show` lists them. Can be repeated.",
    ),
    click.option(
        "--device",
        callback=_read_device,
        metavar="DEVICE",
        shell_complete=_complete_device,
        help="Where all models run: auto (a GPU if there is one), cpu, cuda, cuda:1 or mps.",
    ),
    click.option(
        "--max-turns",
        type=click.IntRange(min=1, max=1_000),
        help="Maximum number of grounder turns.",
    ),
)


def pipeline_options(command: _Command) -> _Command:
    """Add the options that choose a pipeline to a command, for ``checked_pipeline``."""
    # Decorators apply from the bottom up.
    for option in reversed(_PIPELINE_OPTIONS):
        command = option(command)
    return command


# Repeated here so that --help does not import videoseg.results; a test compares them.
FORMATS = (
    *("png", "davis", "youtube-vos", "youtube-vis", "coco", "yolo", "cvat"),
    *("label-studio", "matte"),
)
"""The formats of exports."""


def complete_formats(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the formats of exports."""
    return beginning(FORMATS, incomplete)


EXPORTS = "exports"
"""The folder of a result that holds its exports, by format; a test compares it, too."""

_PARTS = ("masks", "overlay", "report")


def _read_parts(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    for part in parts:
        if part not in _PARTS:
            raise click.BadParameter(f"there is no part {part!r}; choose from {', '.join(_PARTS)}")
    return parts


def parts_option(command: _Command) -> _Command:
    """Add the option ``--only`` to a command, as the argument ``parts``."""
    option = click.option(
        "--only",
        "parts",
        callback=_read_parts,
        metavar="PARTS",
        help="Save only these parts beside result.json, separated by commas: "
        f"{', '.join(_PARTS)}.",
    )
    return option(command)


def named_pipeline(name: str) -> Pipeline:
    """Return the pipeline with a name, or of a YAML file.

    Raises:
        ComponentNotFoundError: If there is no pipeline of this name.
        ConfigError: If the file is not a valid configuration.
    """
    from videoseg.pipeline import Pipeline

    is_path = name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name
    if is_path or _is_file(name):
        return Pipeline.from_yaml(Path(name))
    return Pipeline.from_name(name)


def _is_file(name: str) -> bool:
    try:
        return expand_path(name).is_file()
    except (OSError, ValueError):  # too long for a path, or with a null character
        return False


def checked_pipeline(
    name: str,
    *,
    stages: Mapping[str, str | None],
    options: Mapping[str, Mapping[str, Any]],
    max_turns: int | None,
    device: str | None = None,
) -> Pipeline:
    """Return a pipeline with some stages and options replaced, everything checked.

    Args:
        name: The pipeline to start from, a name or a YAML file.
        stages: For each stage the component to use instead; None keeps the pipeline's.
        options: For each stage the options to set.
        max_turns: Maximum number of grounder turns; None keeps the pipeline's.
        device: Where all stages run that have a device to choose; ``options`` win over it.

    Raises:
        VideosegError: If a component is unknown, missing or incompatible.
    """
    from videoseg.pipeline import REQUIRED_STAGES

    # A command whose author wrote it before there was this option passes it on with the stages.
    stages = dict(stages)
    device = stages.pop("device", None) or device
    changes: dict[str, Any] = {}
    for stage, component in stages.items():
        if component == "none" and stage not in REQUIRED_STAGES:
            changes[stage] = None
        elif component is not None:
            changes[stage] = component
    if max_turns is not None:
        changes["max_turns"] = max_turns
    pipeline = named_pipeline(name)
    if changes:
        pipeline = pipeline.replace(**changes)
    if options:
        pipeline = pipeline.replace(**{stage: dict(given) for stage, given in options.items()})
    if device is not None:
        chosen = {stage for stage, given in options.items() if "device" in given}
        pipeline = _on_device(pipeline, device, chosen)
    if problems := pipeline.explain().problems:
        raise ConfigError(problems)
    return pipeline


def _on_device(pipeline: Pipeline, device: str, chosen: Set[str] = frozenset()) -> Pipeline:
    """Return a pipeline whose stages run on a device, as far as they have one to choose.

    Args:
        pipeline: The pipeline.
        device: The device.
        chosen: The stages that keep the device that they have; what they wrap does not.

    Raises:
        ConfigError: If none has, and the device is not one that is there anyway.
    """
    from videoseg.pipeline import Use

    changes = {}
    for stage, use in pipeline.stages.items():
        if isinstance(use, Use):
            placed = _placed(stage, use, device)
            if stage in chosen:
                placed = Use(placed.name, {**placed.options, "device": use.options["device"]})
            if placed != use:
                changes[stage] = placed
    if not changes and not chosen and device not in ("auto", "cpu"):
        raise ConfigError(
            f"no stage of this pipeline has a device to choose, so nothing can run on {device}; "
            "leave out --device"
        )
    return pipeline.replace(**changes) if changes else pipeline


def _placed(kind: str, used: Use, device: str) -> Use:
    """Return a component with the device set, and those that its options name as well."""
    from videoseg.pipeline import Use
    from videoseg.plugins import KINDS, default_registry

    registry = default_registry()
    # One that is missing something is reported by the check of the whole pipeline.
    if registry.find(kind, used.name).missing_modules:
        return used
    options = dict(used.options)
    for name, value in used.options.items():
        if name in KINDS and isinstance(value, str | Use | Mapping):
            options[name] = _placed_value(name, value, device)
    if "device" in registry.options(kind, used.name):
        options["device"] = device
    return Use(used.name, options)


def _placed_value(kind: str, value: Any, device: str) -> Any:
    from videoseg.pipeline import Use

    if isinstance(value, Use):
        return _placed(kind, value, device)
    if isinstance(value, str):
        placed = _placed(kind, Use(value, {}), device)
        return {"name": placed.name, "options": dict(placed.options)} if placed.options else value
    name = value.get("name")
    if not isinstance(name, str):
        return value
    placed = _placed(kind, Use(name, dict(value.get("options") or {})), device)
    return {**value, "options": dict(placed.options)} if placed.options else value


def parse_options(items: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parse ``stage.option=value`` arguments. Values are YAML, so ``8`` is a number.

    Raises:
        click.BadParameter: If an argument has another form, or its stage does not exist.

    Example:
        >>> parse_options(["sampler.num_frames=8"])
        {'sampler': {'num_frames': 8}}
    """
    from videoseg.pipeline import STAGES

    options: dict[str, dict[str, Any]] = {}
    for item in items:
        key, equals, text = item.partition("=")
        stage, dot, option = (part.strip() for part in key.partition("."))
        if not (equals and dot and option):
            raise click.BadParameter(
                f"{shorten(item)} must have the form stage.option=value, such as "
                "sampler.num_frames=8",
                param_hint="-O",
            )
        if stage not in STAGES:
            close = difflib.get_close_matches(stage, STAGES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"stages: {', '.join(STAGES)}"
            raise click.BadParameter(
                f"there is no stage {shorten(stage)} in {shorten(item)}; {hint}", param_hint="-O"
            )
        options.setdefault(stage, {})[option] = parse_value(text, item, "-O")
    return options


def parse_value(text: str, item: str, option: str) -> Any:
    """Parse a value from the command line as YAML.

    Args:
        text: The value.
        item: The whole argument, for messages.
        option: The option of the command, such as ``-O``.

    Raises:
        click.BadParameter: If it cannot be read.
    """
    from videoseg.pipeline import parse_yaml

    try:
        return parse_yaml(text)
    except ValueError as error:
        raise click.BadParameter(
            f"the value in {shorten(item)} cannot be read: {error}; put text with special "
            "characters in quotes",
            param_hint=option,
        ) from error
