"""Running a command: errors become one line each, and an exit status."""

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

    An error is one line that begins with ``error:``. Further problems have a line each, indented
    below the first.

    Args:
        arguments: The arguments of the program.
        program: The program, ``videoseg`` by default.
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
        return _report(str(error), error, settings, lines=_problems(error))
    except BrokenPipeError:
        # The reader of a pipe, such as `| head`, has ended.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        text = "this machine is out of memory; try a smaller or shorter video"
        return _report(text, error, settings)
    except BaseException as error:
        # Not even a plug-in that calls sys.exit ends the program without a message.
        text = f"unexpected {describe_error(error)}"
        if not settings.debug:
            text += " (run again with --debug for the traceback)"
        return _report(text, error, settings)


def _report_end(how: str, settings: Settings) -> None:
    text = "; ".join([how, *settings.notes, "nothing was left half-written"])
    _write_error(f"\n{_one_line(text)}\n")


def _report(
    text: str, error: BaseException, settings: Settings, *, lines: Sequence[str] = ()
) -> int:
    if settings.debug:
        _write_error(printable("".join(traceback.format_exception(error)), keep="\n"))
    _error_lines(
        [*lines, *settings.notes] if len(lines) > 1 else ["; ".join([text, *settings.notes])]
    )
    return 1


def _problems(error: VideosegError) -> list[str]:
    """Return the problems of an error, with options as on the command line."""
    if isinstance(error, MissingWeightsError):
        stages = error.stages or ((),) * len(error.problems)
        return [_as_options(text, of) for text, of in zip(error.problems, stages, strict=True)]
    return list(error.problems) if isinstance(error, ConfigError) else [str(error)]


def _as_options(text: str, stages: Sequence[str]) -> str:
    options = " ".join(f"-O {stage}.download=true" for stage in stages)
    return text.replace("set download=True", f"pass {options}") if options else text


def _report_usage(error: click.UsageError) -> int:
    text = error.format_message().rstrip(".")
    if text.startswith("Got unexpected extra argument"):
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
