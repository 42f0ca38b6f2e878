"""The program ``videoseg``: its commands, and how it runs one.

Commands, also those of plug-ins, are listed without importing them. An error becomes one line
and an exit status.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from videoseg._core_commands import CORE_COMMANDS
from videoseg._interruption import Terminated, describe_error, noted_signals
from videoseg._version import __version__
from videoseg.cli.completion import COMPLETE_VARIABLE, is_completing
from videoseg.cli.framework import Settings, VideosegGroup
from videoseg.cli.terminal import standard_streams
from videoseg.errors import (
    ConfigError,
    MissingDependencyError,
    MissingWeightsError,
    PluginLoadError,
    VideosegError,
)
from videoseg.text import printable, shorten_text

__all__ = ["run_program", "videoseg"]

_INTERRUPTED = 130
_ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_LONGEST_LINE = 2_000
_MOST_LINES = 50
_LONGEST_SUMMARY = 200

_QUOTE = "'"

# Repeated here so that --help does not import videoseg.pipeline; a test compares them.
_STAGES = ("sampler", "grounder", "segmenter", "propagator", "chat")
_STAGE = re.compile(rf"({'|'.join(_STAGES)})\b")
_STAGE_ARGUMENT = re.compile(r"(?<![\w.'/=-])(\w+)=(True|False|\d+|'[^']*'|\.\.\.)")
_ARGUMENT = re.compile(r"\b(pass|set|use|with) (\w+)=(True|\d+|'[^']*')")


class Program(VideosegGroup):
    """A group of the core's commands and those that plug-ins declare.

    The core's commands work whatever plug-ins do. Plug-ins are loaded for the list of commands
    and for names that are not the core's; the module of a command is imported when it is run.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands: the core's, then those of plug-ins, sorted."""
        del ctx
        return list(_summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command.

        Raises:
            PluginConflictError: If several plug-ins declare it.
            PluginLoadError: If the plug-in's module cannot be imported, or holds something else.
        """
        del ctx
        if cmd_name in CORE_COMMANDS:
            module_name, _, attribute = CORE_COMMANDS[cmd_name][0].partition(":")
            found: click.Command = getattr(import_module(module_name), attribute)
            return found
        if cmd_name not in _summaries():
            return None
        from videoseg.plugins import default_registry

        loaded = default_registry().load_command(cmd_name)
        if not isinstance(loaded, click.Command):
            entry = next(e for e in default_registry().commands() if e.command.name == cmd_name)
            raise PluginLoadError(
                f"command {cmd_name!r} of {entry.distribution}: {entry.command.target} must be a "
                f"click command or group, got {type(loaded).__name__}"
            )
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command.

        Raises:
            ComponentNotFoundError: If it is part of a plug-in that is not installed.
            click.UsageError: If there is no command of this name.
        """
        if args[0] in CORE_COMMANDS:
            return super().resolve_command(ctx, args)
        from videoseg.plugins import default_registry
        from videoseg.plugins.loader import describe_failures
        from videoseg.plugins.packages import PACKAGES

        if args[0] in PACKAGES["command"] and args[0] not in _summaries():
            default_registry().load_command(args[0])
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if failures := describe_failures(default_registry().failures):
                raise click.UsageError(error.message + failures, ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands with their summaries."""
        del ctx
        rows = [
            (name, shorten_text(printable(summary), _LONGEST_SUMMARY))
            for name, summary in _summaries().items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _summaries() -> dict[str, str]:
    """Return the names of all commands and their summaries, in the order of the help."""
    from videoseg.plugins import default_registry

    summaries = {name: summary for name, (_, summary) in CORE_COMMANDS.items()}
    declared = (entry.command for entry in default_registry().commands())
    for command in sorted(declared, key=lambda command: command.name):
        summaries.setdefault(command.name, command.summary)
    return summaries


@click.group(
    "videoseg",
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, "--version", prog_name="videoseg")
def videoseg() -> None:
    """Ask a video a question and get masks back, with the reasons.

    \b
    videoseg demo                                     try it on a drawn clip
    videoseg run clip.mp4 "the red one"               ask about a video
    videoseg run clip.mp4 "the dog" --pipeline names  nouns, with a detector
    videoseg run --help                               other stages and models
    """  # noqa: D301 - click reads the backspace itself as "keep these lines"


# -- running a command -------------------------------------------------------------------


def run_program(
    arguments: Sequence[str],
    program: click.Command = videoseg,
    *,
    began: float | None = None,
) -> int:
    """Run one command and return the exit status; an error goes to stderr.

    An error is one line that begins with ``error:``. Further problems have a line each, indented
    below the first.

    Args:
        arguments: The arguments of the program.
        program: The program, ``videoseg`` by default.
        began: When it began, by ``time.perf_counter``; by default now.
    """
    settings = Settings(arguments=tuple(arguments))
    if began is not None:
        settings.began = began
    try:
        with noted_signals(*_ENDING_SIGNALS), standard_streams():
            status = program.main(
                args=list(arguments) or ["--help"],
                prog_name=program.name,
                standalone_mode=False,
                complete_var=COMPLETE_VARIABLE,
                obj=settings,
            )
        return int(status or 0)
    except click.UsageError as error:
        return _report_usage(error)
    except (click.Abort, KeyboardInterrupt):
        _report_end("interrupted", settings)
        return _INTERRUPTED
    except Terminated as error:
        _report_end("terminated", settings)
        return 128 + error.number
    except click.ClickException as error:
        return _report(error.format_message(), error, settings)
    except VideosegError as error:
        return _report(_problems(error, settings.command), error, settings)
    except BrokenPipeError:
        return _end_pipe()
    except MemoryError as error:
        text = "this machine is out of memory; try a smaller or shorter video"
        return _report(text, error, settings)
    except BaseException as error:
        if isinstance(error, SystemExit) and settings.pipe_ended:
            return _end_pipe()
        if isinstance(error, SystemExit) and is_completing():
            # This is how click ends after it has answered the shell.
            return int(error.code or 0)
        if (missing := MissingDependencyError.of(error)) is not None:
            return _report(str(missing), error, settings)
        # Not even a plug-in that calls sys.exit ends the program without a message.
        text = f"unexpected {describe_error(error)}"
        if not settings.debug:
            text += " (run again with --debug for the traceback)"
        return _report(text, error, settings)


def _end_pipe() -> int:
    """Return the exit status if the reader of a pipe, such as `| head`, has ended."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _report_end(how: str, settings: Settings) -> None:
    text = "; ".join([how, *settings.notes, "nothing was left half-written"])
    _write_error(f"\n{_one_line(text)}\n")


def _report(problems: str | Sequence[str], error: BaseException, settings: Settings) -> int:
    if settings.debug:
        _write_error(printable("".join(traceback.format_exception(error)), keep="\n"))
    lines = [problems] if isinstance(problems, str) else list(problems)
    if len(lines) == 1:
        lines = ["; ".join([*lines, *settings.notes])]
    else:
        lines += settings.notes
    _error_lines(lines)
    return 1


def _problems(error: VideosegError, command: click.Command | None) -> list[str]:
    """Return the problems of an error, with arguments of Python as options of the command.

    Missing weights are told with the stages that need them: two may need the same files, and one
    of them may have been given a folder of its own.
    """
    if isinstance(error, MissingWeightsError):
        stages = error.stages or ((),) * len(error.problems)
        return [
            (f"{' and '.join(of)}: " if of else "") + _as_options(text, command, of)
            for text, of in zip(error.problems, stages, strict=True)
        ]
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    return [_as_options(text, command) for text in problems]


def _as_options(text: str, command: click.Command | None, stages: Sequence[str] = ()) -> str:
    """Return a message with arguments such as ``overwrite=True`` as options: ``--overwrite``.

    Arguments of a stage become options of it: ``-O propagator.download=true``.

    Args:
        text: The message. If it does not begin with a stage, arguments are recognized after a
            word such as "pass" or "with" only: names of files may have the same form.
        command: The command whose options are meant.
        stages: The stages that are meant; by default the one that the message begins with.
    """
    options = {} if command is None else {one.name: one.opts[-1] for one in command.params}
    if not stages and "options" in options and (begin := _STAGE.match(text)):
        stages = (begin[1],)

    def as_option(found: re.Match[str]) -> str:
        verb, name, value = found.groups()
        if not options.get(name, "").startswith("-"):
            return found[0]
        typed = options[name] if value == "True" else f"{options[name]} {value.strip(_QUOTE)}"
        return f"{verb} {typed}"

    def as_stage_option(found: re.Match[str]) -> str:
        name, value = found.groups()
        if options.get(name, "").startswith("-"):
            return f"{options[name]} {value.strip(_QUOTE)}"
        typed = value.lower() if value in ("True", "False") else value.strip(_QUOTE)
        return " ".join(f"-O {stage}.{name}={typed}" for stage in stages)

    text = _ARGUMENT.sub(as_option, text)
    if stages:
        text = _STAGE_ARGUMENT.sub(as_stage_option, text).replace("set -O ", "pass -O ")
    return text


def _report_usage(error: click.UsageError) -> int:
    text = error.format_message().rstrip(".")
    takes_text = error.ctx is not None and any(
        isinstance(one, click.Argument) for one in error.ctx.command.params
    )
    if text.startswith("Got unexpected extra argument") and takes_text:
        # Nearly always a query without quotes, which the shell has split.
        text += "; put text with spaces in quotes"
    where = error.ctx.command_path if error.ctx is not None else "videoseg"
    _error_lines([f"{text[:1].lower()}{text[1:]} (see: {where} --help)"])
    return 2


def _error_lines(problems: Sequence[str]) -> None:
    """Write ``error:`` and a line for each problem, all but the first indented."""
    label, begin, end = "error:", "", ""
    if sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        label, begin, end = f"\x1b[1;31m{label}", "\x1b[22m", "\x1b[0m"
    indent = " " * len("error: ")
    shown = [_one_line(problem) for problem in problems[:_MOST_LINES]]
    if (more := len(problems) - _MOST_LINES) > 0:
        shown.append(f"and {more:,} more problems")
    lines = f"\n{indent}".join(shown)
    _write_error(f"{label} {begin}{lines}{end}\n")


def _one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    line = " ".join(printable(text).split())
    if len(line) <= _LONGEST_LINE:
        return line
    # The end of a message says what to do.
    half = _LONGEST_LINE // 2
    return f"{line[:half]} ... {line[-half:]}"


def _write_error(text: str) -> None:
    if sys.stderr is None:
        return
    # Writing to a closed terminal fails, but the rest of the program must go on.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
