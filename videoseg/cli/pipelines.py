"""``videoseg pipelines`` and ``videoseg config``: pipelines by name and pipeline files."""

from __future__ import annotations

import ast
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from videoseg.cli.framework import VideosegCommand, VideosegGroup
from videoseg.cli.terminal import (
    command_output,
    json_option,
    open_console,
    print_line,
    print_row,
    write_json,
)
from videoseg.errors import ConfigError, OutputError
from videoseg.files import expand_path, write_file

if TYPE_CHECKING:
    from videoseg.pipeline import Explanation, Pipeline

__all__ = ["config", "pipelines"]

_STAGE_INDENT = 2
_STAGE_TEXT = 13
"""Where an explanation has the names of stages, and what it says about them."""


@click.group("pipelines", cls=VideosegGroup, invoke_without_command=True)
@json_option
@click.pass_context
def pipelines(context: click.Context, *, as_json: bool) -> None:
    """List the installed pipelines, and what each lacks to be used, weights included."""
    if context.invoked_subcommand is not None:
        return
    from videoseg.pipeline import judge_registered
    from videoseg.plugins import default_registry

    registry = default_registry()
    judged = [
        (entry, judge_registered(registry, entry)) for entry in registry.components("pipeline")
    ]
    if as_json:
        write_json(
            [
                {
                    "name": entry.component.name,
                    "summary": entry.component.summary,
                    "distribution": entry.distribution,
                    "state": readiness.state,
                    "remedy": readiness.remedy or readiness.problem,
                    "download_bytes": readiness.num_bytes,
                }
                for entry, readiness in judged
            ]
        )
        return
    console = open_console()
    width = max((len(entry.component.name) for entry, _ in judged), default=0) + 2
    for entry, readiness in judged:
        print_row(console, entry.component.name, entry.component.summary, width=width)
        if readiness.state != "usable":
            print_row(console, "", str(readiness), width=width, style="yellow")


@pipelines.command(
    "show",
    cls=VideosegCommand,
    examples="""
    videoseg pipelines show attributes
    """,
)
@click.argument("name")
@json_option
def show_pipeline(name: str, *, as_json: bool) -> None:
    """Explain a pipeline stage by stage, with any problems and the weights that it needs.

    NAME is a pipeline's name or a YAML file.
    """
    from videoseg.cli.options import named_pipeline

    _print_explanation(named_pipeline(name).explain(), as_json=as_json)


@click.group("config", cls=VideosegGroup)
def config() -> None:
    """Write, show and validate pipeline files (YAML)."""


@config.command("show", cls=VideosegCommand)
@click.argument("file")
@json_option
def show_file(file: str, *, as_json: bool) -> None:
    """Explain the pipeline in FILE stage by stage, with any problems."""
    from videoseg.pipeline import Pipeline

    _print_explanation(Pipeline.from_yaml(Path(file)).explain(), as_json=as_json)


@config.command("validate", cls=VideosegCommand)
@click.argument("file")
@json_option
def validate(file: str, *, as_json: bool) -> int:
    """Check a pipeline file and list all its problems.

    Checks the syntax of FILE, the names of components, their options, and whether they are
    installed. Exits with 1 if there is a problem.
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
    videoseg config init --pipeline attributes -      (print it)
    videoseg run dog.mp4 "the dog" --pipeline mine.yaml
    """,
)
@click.argument("file")
@click.option(
    "--pipeline",
    "name",
    default="attributes",
    show_default=True,
    metavar="NAME",
    help="Pipeline to start from.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def init(file: str, *, name: str, overwrite: bool) -> None:
    """Write a pipeline file, with its options in comments.

    Options that take objects or functions are not listed: they are set from Python.
    """
    from videoseg.cli.options import named_pipeline

    text = _annotate(named_pipeline(name))
    if file == "-":
        click.echo(text, nl=False, file=command_output())
        return
    path = expand_path(file)
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} already exists; choose another name or pass --overwrite")
    write_file(path, text)
    print_line(f"wrote {file}; use it with: videoseg run VIDEO QUERY --pipeline {file}")


def _annotate(pipeline: Pipeline) -> str:
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
            if not option.is_python_only
        ] or ["#     none"]
    return "\n".join(lines) + "\n"


def _as_yaml(default: str) -> str:
    """Return a default in YAML, where Python's ``None`` would be a string."""
    import yaml

    try:
        value = ast.literal_eval(default)
    except (ValueError, SyntaxError):
        return default
    if isinstance(value, tuple):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _print_explanation(explanation: Explanation, *, as_json: bool) -> None:
    """Print the stages of a pipeline and its problems."""
    if as_json:
        write_json(asdict(explanation))
        return
    console = open_console()
    for line in str(explanation).splitlines():
        is_problem = line.lstrip().startswith(("problem:", "state"))
        is_problem = is_problem and not line.endswith(" usable")
        indent = len(line) - len(line.lstrip())
        if indent == _STAGE_INDENT and not line.lstrip().startswith("problem:"):
            indent = _STAGE_TEXT
        # Align wrapped lines below their first, so that the stages stand out.
        label, text = line[2:indent], line[indent:]
        if indent < 2:
            console.print(line, style="bold", soft_wrap=True)
        else:
            print_row(console, label, text, width=len(label), style="yellow" if is_problem else "")
