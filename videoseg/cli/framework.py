"""The classes of commands and groups: examples, nearest matches, ``--debug``."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from videoseg.cli.terminal import own_output
from videoseg.files import expand_path
from videoseg.text import well_formed

__all__ = [
    "PATH",
    "Settings",
    "VideosegCommand",
    "VideosegGroup",
    "note",
    "typed_command",
]


@dataclass
class Settings:
    """Settings of one run of the program.

    Attributes:
        debug: Whether errors are printed with their traceback.
        notes: Sentences added to the error line, such as where partial results are.
        arguments: The arguments of the program.
        command: The command that is running.
    """

    debug: bool = False
    notes: list[str] = field(default_factory=list)
    arguments: tuple[str, ...] = ()
    command: click.Command | None = None


def note(text: str) -> None:
    """Add a sentence to the error line, if the command ends with an error."""
    _settings(click.get_current_context()).notes.append(text)


def typed_command() -> str:
    """Return the command line of this run, quoted for a shell."""
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
    """A command whose standard output holds only what the command itself prints."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        _settings(ctx).command = self
        with own_output():
            return super().invoke(ctx)


class VideosegCommand(_OwnOutput):
    """A command with ``--debug``, and with examples at the end of its help.

    Args:
        arguments: Those of ``click.Command``.
        examples: Command lines, one a line, printed as they are written.
        keywords: Those of ``click.Command``.
    """

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
    """A group of commands with ``--debug`` that suggests the nearest name for an unknown one."""

    command_class = VideosegCommand

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params.append(_debug_option())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a subcommand.

        Raises:
            click.UsageError: If there is no command of this name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            names = self.list_commands(ctx)
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
            ctx.fail(f"there is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


class _PathType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A path; a leading ``~`` is the home directory."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        del param, ctx
        return expand_path(value)


PATH = _PathType()
"""The type of every argument and option that is a path."""
