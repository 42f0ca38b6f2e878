"""``videoseg config``: pipeline files."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from videoseg.cli.framework import VideosegCommand, VideosegGroup
from videoseg.cli.standard_output import command_output
from videoseg.cli.terminal import json_option, print_line, write_json
from videoseg.errors import ConfigError, OutputError
from videoseg.files import expand_path

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline

__all__ = ["config"]


@click.group("config", cls=VideosegGroup)
def config() -> None:
    """Write, show and check pipeline files (YAML)."""


@config.command("show", cls=VideosegCommand)
@click.argument("file")
@json_option
def show(file: str, *, as_json: bool) -> None:
    """Explain the pipeline in FILE stage by stage."""
    from videoseg.cli.pipelines import show_explanation
    from videoseg.pipeline import Pipeline

    show_explanation(Pipeline.from_yaml(Path(file)).explain(), as_json=as_json)


@config.command("validate", cls=VideosegCommand)
@click.argument("file")
@json_option
def validate(file: str, *, as_json: bool) -> int:
    """Check FILE: its form, the components' names, their options, what is installed.

    Exits with 1 if anything is wrong; all problems are reported together.
    """
    from videoseg.errors import VideosegError
    from videoseg.pipeline import Pipeline

    error: VideosegError | None = None
    try:
        if wrong := Pipeline.from_yaml(Path(file)).explain().problems:
            error = ConfigError(wrong)
    except VideosegError as caught:
        error = caught
    if as_json:
        problems = error.problems if isinstance(error, ConfigError) else (str(error),)
        found = list(problems) if error else []
        write_json({"file": file, "valid": error is None, "problems": found})
        return int(error is not None)
    if error is not None:
        raise error
    print_line(f"{file} is a valid pipeline")
    return 0


@config.command(
    "init",
    cls=VideosegCommand,
    examples="""
    videoseg config init mine.yaml
    videoseg config init --pipeline attributes -      (prints it)
    videoseg run dog.mp4 "the dog" --pipeline mine.yaml
    """,
)
@click.argument("file")
@click.option(
    "--pipeline", "name", default="attributes", show_default=True, help="Where to start from."
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def init(file: str, *, name: str, overwrite: bool) -> None:
    """Write a pipeline file with every option and its default as a comment."""
    from videoseg.cli.composing import named_pipeline

    text = _commented(named_pipeline(name))
    if file == "-":
        click.echo(text, nl=False, file=command_output())
        return
    _write(expand_path(file), text, overwrite=overwrite)
    print_line(f"wrote {file}; use it with: videoseg run VIDEO QUERY --pipeline {file}")


def _commented(pipeline: Pipeline) -> str:
    from videoseg.pipeline import STAGES
    from videoseg.plugins import default_registry

    lines = pipeline.config.to_yaml().splitlines()
    lines += ["", "# To set options, write a stage as a mapping:", "#   sampler:"]
    lines += ["#     name: uniform", "#     options: {num_frames: 8}", "#"]
    lines.append("# The options of the stages above, with their defaults:")
    for stage in STAGES:
        use = getattr(pipeline.config, stage)
        if use is None:
            continue
        lines.append(f"#   {stage} {use.name}:")
        entry = default_registry().find(stage, use.name)
        if entry.missing_modules:
            lines.append(f"#     (not installed: {entry.remedy})")
            continue
        options = default_registry().options(stage, use.name)
        lines += [
            f"#     {name}: {_as_yaml(option.default)}"
            + (f"  # {option.type}" if option.type else "")
            for name, option in options.items()
        ] or ["#     none"]
    return "\n".join(lines) + "\n"


def _as_yaml(default: str) -> str:
    """Return a default as it is written in YAML, where Python's None would be a word."""
    import yaml

    try:
        value = ast.literal_eval(default)
    except (ValueError, SyntaxError):
        return default
    if isinstance(value, tuple):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    from videoseg.cli.output_place import write_file

    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists; choose another name or pass --overwrite")
    write_file(path, text)
