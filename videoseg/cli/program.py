"""Runs a command, and turns errors into a line each and an exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from videoseg._interruption import Terminated, describe_error, noted_signals
from videoseg.cli.commands import videoseg
from videoseg.cli.framework import Settings
from videoseg.cli.terminal import standard_streams
from videoseg.errors import ConfigError, MissingWeightsError, VideosegError
from videoseg.text import printable

__all__ = ["run_program"]

_INTERRUPTED = 130
_ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_LONGEST_LINE = 2_000
_MOST_LINES = 50


def run_program(arguments: Sequence[str], program: click.Command = videoseg) -> int:
    """Run one command and return the exit status; an error goes to stderr.

    It is one line that begins with ``error:``. Where several things are wrong at once, each has
    a line of its own, indented below the first.

    Args:
        arguments: What was typed after the name of the program.
        program: The program, if it is another one than ``videoseg``.
    """
    settings = Settings(arguments=tuple(arguments))
    try:
        with noted_signals(*_ENDING_SIGNALS), standard_streams():
            status = program.main(
                args=list(arguments) or ["--help"],
                prog_name=program.name,
                standalone_mode=False,
                obj=settings,
            )
        return int(status or 0)
    except click.UsageError as error:
        return _tell_usage(error)
    except (click.Abort, KeyboardInterrupt):
        _tell_end("interrupted", settings)
        return _INTERRUPTED
    except Terminated as error:
        _tell_end("terminated", settings)
        return 128 + error.number
    except click.ClickException as error:
        return _tell(error.format_message(), error, settings)
    except VideosegError as error:
        return _tell(str(error), error, settings, lines=_problems(error))
    except BrokenPipeError:
        # The reader of a pipe such as `| head` has gone; there is nobody left to tell.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        text = "the memory of this machine is used up; try a smaller or shorter video"
        return _tell(text, error, settings)
    except BaseException as error:
        # Not even an exit that a plug-in asks for ends the program without a word.
        text = f"unexpected {describe_error(error)}"
        if not settings.debug:
            text += " (run again with --debug for the traceback)"
        return _tell(text, error, settings)


def _tell_end(how: str, settings: Settings) -> None:
    told = "; ".join([how, *settings.notes, "nothing was left half-written"])
    _write_error(f"\n{_one_line(told)}\n")


def _tell(
    text: str, error: BaseException, settings: Settings, *, lines: Sequence[str] = ()
) -> int:
    if settings.debug:
        _write_error(printable("".join(traceback.format_exception(error)), keep="\n"))
    _error_lines(
        [*lines, *settings.notes] if len(lines) > 1 else ["; ".join([text, *settings.notes])]
    )
    return 1


def _problems(error: VideosegError) -> list[str]:
    """Return what is wrong, one thing a line, with options as they are typed here."""
    if isinstance(error, MissingWeightsError):
        stages = error.stages or ((),) * len(error.problems)
        return [_as_typed(text, of) for text, of in zip(error.problems, stages, strict=True)]
    return list(error.problems) if isinstance(error, ConfigError) else [str(error)]


def _as_typed(text: str, stages: Sequence[str]) -> str:
    options = " ".join(f"-O {stage}.download=true" for stage in stages)
    return text.replace("set download=True", f"pass {options}") if options else text


def _tell_usage(error: click.UsageError) -> int:
    text = error.format_message().rstrip(".")
    if text.startswith("Got unexpected extra argument"):
        # Nearly always a query without quotes, which the shell has taken apart.
        text += "; put a text that has spaces into quotes"
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
    """Return a text as one line: it may hold anything, also the codes that move a cursor."""
    line = " ".join(printable(text).split())
    if len(line) <= _LONGEST_LINE:
        return line
    # The end says what to do.
    half = _LONGEST_LINE // 2
    return f"{line[:half]} ... {line[-half:]}"


def _write_error(text: str) -> None:
    if sys.stderr is None:
        return
    # A terminal that was closed takes no messages, but what follows must still be done.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
