"""``videoseg pipelines``: the ready-made pipelines and what they consist of."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from videoseg.cli.framework import VideosegCommand, VideosegGroup
from videoseg.cli.terminal import json_option, open_console, print_row, write_json

if TYPE_CHECKING:
    from videoseg.pipeline import Explanation

__all__ = ["pipelines", "show_explanation"]


@click.group("pipelines", cls=VideosegGroup, invoke_without_command=True)
@json_option
@click.pass_context
def pipelines(context: click.Context, *, as_json: bool) -> None:
    """List the pipelines that can be used by name."""
    if context.invoked_subcommand is not None:
        return
    from videoseg.plugins import default_registry

    entries = default_registry().components("pipeline")
    rows = [(e.component.name, e.component.summary, e.distribution, e.remedy) for e in entries]
    if as_json:
        labels = ("name", "summary", "distribution", "remedy")
        write_json([dict(zip(labels, row, strict=True)) for row in rows])
        return
    console = open_console()
    width = max((len(row[0]) for row in rows), default=0) + 2
    for name, summary, _, remedy in rows:
        text = f"{summary} (missing: {remedy})" if remedy else summary
        print_row(console, name, text, width=width)


@pipelines.command(
    "show",
    cls=VideosegCommand,
    examples="""
    videoseg pipelines show attributes
    """,
)
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Explain a pipeline stage by stage, with what would keep it from running.

    NAME is a pipeline's name or a YAML file.
    """
    from videoseg.cli.composing import named_pipeline

    show_explanation(named_pipeline(name).explain(), as_json=as_json)


def show_explanation(explanation: Explanation, *, as_json: bool) -> None:
    """Print what a pipeline consists of."""
    if as_json:
        write_json(asdict(explanation))
        return
    console = open_console()
    for line in str(explanation).splitlines():
        is_problem = line.lstrip().startswith("problem:")
        indent = len(line) - len(line.lstrip())
        # Further lines stand under their own first, so that the stages stand out.
        label, text = line[2:indent], line[indent:]
        if indent < 2:
            console.print(line, style="bold", soft_wrap=True)
        else:
            print_row(console, label, text, width=len(label), style="yellow" if is_problem else "")
