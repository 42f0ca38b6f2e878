"""What every command has in common: late loading, nearest matches, ``--debug``."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from videoseg.cli.terminal import own_output
from videoseg.files import expand_path
from videoseg.text import well_formed

__all__ = [
    "PATH",
    "LazyGroup",
    "Settings",
    "VideosegCommand",
    "VideosegGroup",
    "note",
    "typed_command",
]


@dataclass
class Settings:
    """What holds for the whole program run.

    Attributes:
        debug: Whether errors come with their traceback.
        notes: What is added to the error line, such as where something was kept.
        arguments: What was typed after the name of the program.
    """

    debug: bool = False
    notes: list[str] = field(default_factory=list)
    arguments: tuple[str, ...] = ()


def note(text: str) -> None:
    """Add something to the error line, should the command end with one."""
    _settings(click.get_current_context()).notes.append(text)


def typed_command() -> str:
    """Return what was typed, ready to be pasted into a shell."""
    context = click.get_current_context()
    program = context.find_root().info_name or "videoseg"
    return well_formed(shlex.join([program, *_settings(context).arguments]))


def _settings(context: click.Context) -> Settings:
    settings: Settings = context.ensure_object(Settings)
    return settings


def _set_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _settings(context).debug = True


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_debug,
        help="Show the traceback of an error.",
    )


class _OwnOutput(click.Command):
    """A command whose standard output holds what it prints itself and nothing else."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with own_output():
            return super().invoke(ctx)


class VideosegCommand(_OwnOutput):
    """A command with ``--debug`` that keeps its examples as they are written."""

    def __init__(self, *arguments: Any, examples: str = "", **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.examples = examples
        self.params.append(_debug_option())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.strip().splitlines():
                    formatter.write(f"{' ' * formatter.current_indent}{line.strip()}\n")


class VideosegGroup(click.Group, _OwnOutput):
    """A group of commands that names the nearest one when it is given an unknown one."""

    command_class = VideosegCommand

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params.append(_debug_option())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a subcommand.

        Raises:
            click.UsageError: If there is none of this name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            names = self.list_commands(ctx)
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
            ctx.fail(f"there is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


class _PathType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A path; a leading ``~`` that the shell has left is the home directory."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        del param, ctx
        return expand_path(value)


PATH = _PathType()
"""The type of every argument and option that is a path."""


class LazyGroup(VideosegGroup):
    """A group whose commands are imported when they are run, not for its own help.

    Args:
        lazy: For each command its place, ``package.module:name``, and its help line.
    """

    def __init__(
        self, *arguments: Any, lazy: Mapping[str, tuple[str, str]], **keywords: Any
    ) -> None:
        super().__init__(*arguments, **keywords)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order in which they were declared."""
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module_name, _, attribute = self._lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module_name), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        rows = [(name, summary) for name, (_, summary) in self._lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
