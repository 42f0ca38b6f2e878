"""Shell completion: the names that options take, and the script that a shell loads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import click
from click.shell_completion import CompletionItem, get_completion_class

from videoseg.cli.framework import VideosegCommand
from videoseg.cli.terminal import command_output
from videoseg.text import printable

__all__ = [
    "COMPLETE_VARIABLE",
    "beginning",
    "complete_benchmarks",
    "complete_components",
    "complete_files",
    "complete_pipelines",
    "completion",
    "is_completing",
]

COMPLETE_VARIABLE = "_VIDEOSEG_COMPLETE"
"""The variable by which the script of a shell asks for completions."""

_Complete: TypeAlias = Callable[
    [click.Context, click.Parameter, str], "list[CompletionItem] | list[str]"
]

_LOADING = {
    "bash": 'add to ~/.bashrc: eval "$(videoseg completion bash)"',
    "zsh": 'add to ~/.zshrc: eval "$(videoseg completion zsh)"',
    "fish": "videoseg completion fish > ~/.config/fish/completions/videoseg.fish",
}


def is_completing() -> bool:
    """Return whether this process answers a shell that completes a line."""
    return COMPLETE_VARIABLE in os.environ


@click.command(
    "completion",
    cls=VideosegCommand,
    examples="""
    eval "$(videoseg completion bash)"                in ~/.bashrc
    eval "$(videoseg completion zsh)"                 in ~/.zshrc
    videoseg completion fish > ~/.config/fish/completions/videoseg.fish
    """,
)
@click.argument("shell", type=click.Choice(list(_LOADING)))
def completion(*, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and names.

    Names are those of components, pipelines, formats and benchmarks that are installed.
    """
    program = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(program, {}, "videoseg", COMPLETE_VARIABLE).source()
    click.echo(f"# {_LOADING[shell]}\n{source}", file=command_output())


def complete_components(kind: str, *others: str) -> _Complete:
    """Return a function that completes the names of components of a kind.

    Args:
        kind: The kind.
        others: Words that are taken as well, such as ``none``.
    """

    def complete(
        _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from videoseg.plugins import default_registry

        entries = [entry.component for entry in default_registry().components(kind)]
        # The scripts of the shells read lines: a summary must not hold a line of its own.
        items = [CompletionItem(one.name, help=_one_line(one.summary)) for one in entries]
        items += [CompletionItem(word) for word in others]
        return [item for item in items if str(item.value).startswith(incomplete)]

    return complete


def _one_line(text: str) -> str | None:
    return " ".join(printable(text).split()) or None


def complete_pipelines(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the names of pipelines; files if there is none of that name."""
    names = complete_components("pipeline")(context, parameter, incomplete)
    return [*names] or [CompletionItem(incomplete, type="file")]


def complete_benchmarks(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> Any:
    """Complete the names of benchmarks."""
    return complete_components("benchmark")(context, parameter, incomplete)


def complete_files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete names of files."""
    return [CompletionItem(incomplete, type="file")]


def beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that begin with what is typed so far."""
    return [name for name in names if name.startswith(incomplete)]
