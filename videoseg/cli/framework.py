"""The classes of commands and groups: examples, nearest matches, ``--debug``."""

from __future__ import annotations

import difflib
import logging
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from videoseg.cli.terminal import own_output
from videoseg.files import expand_path
from videoseg.text import well_formed

__all__ = [
    "PATH",
    "Settings",
    "VideosegCommand",
    "VideosegGroup",
    "note",
    "seconds_running",
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
        began: When the program began, by ``time.perf_counter``.
        verbosity: How often ``-v`` was given.
        pipe_ended: Whether the reader of the output, such as ``| head``, has ended.
    """

    debug: bool = False
    notes: list[str] = field(default_factory=list)
    arguments: tuple[str, ...] = ()
    command: click.Command | None = None
    began: float = field(default_factory=time.perf_counter)
    verbosity: int = 0
    pipe_ended: bool = False


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


def seconds_running() -> float:
    """Return for how many seconds the program has been running."""
    return time.perf_counter() - _settings(click.get_current_context()).began


def _set_verbosity(context: click.Context, _parameter: click.Parameter, value: int) -> None:
    if value:
        _settings(context).verbosity = max(value, _settings(context).verbosity)


def _verbose_option() -> click.Option:
    return click.Option(
        ["-v", "--verbose"],
        count=True,
        is_eager=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Log what is done to standard error; -vv logs more.",
    )


class _LogHandler(logging.StreamHandler):  # type: ignore[type-arg,unused-ignore]
    """Writes the records of videoseg and its plug-ins to what is standard error at the time."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(relativeCreated)8.0f ms %(name)s: %(message)s"))
        self.addFilter(lambda record: record.name.startswith("videoseg"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a progress bar has put its own stream in place."""
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def _logging(verbosity: int) -> Iterator[None]:
    """Show log records while a command runs; afterwards everything is as it was."""
    if not verbosity:
        yield
        return
    root = logging.getLogger()
    before, handler = root.level, _LogHandler()
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    handler.setLevel(root.level)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


class _OwnOutput(click.Command):
    """A command whose standard output holds only what the command itself prints."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        settings = _settings(ctx)
        settings.command = self
        # Of a group, its command logs.
        verbosity = 0 if isinstance(self, click.Group) else settings.verbosity
        try:
            with own_output(), _logging(verbosity):
                return super().invoke(ctx)
        except BrokenPipeError:
            # Click ends the program for it, with an error that does not say why.
            settings.pipe_ended = True
            raise


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
        self.params += [_verbose_option(), _debug_option()]

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

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete it."""
        del ctx, param
        return [CompletionItem(incomplete, type="file")]

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        del param, ctx
        return expand_path(value)


PATH = _PathType()
"""The type of every argument and option that is a path."""
