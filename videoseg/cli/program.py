"""Runs a command, and turns errors into a line each and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from videoseg.cli.commands import videoseg
from videoseg.cli.framework import Settings
from videoseg.errors import ConfigError, MissingWeightsError, VideosegError

__all__ = ["run_program"]

_INTERRUPTED = 130
_TERMINATED = 143


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
        with _terminable():
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
    except _Terminated:
        _tell_end("terminated", settings)
        return _TERMINATED
    except click.ClickException as error:
        return _tell(error.format_message(), error, settings)
    except VideosegError as error:
        return _tell(str(error), error, settings, lines=_problems(error))
    except BrokenPipeError:
        # The reader of a pipe such as `| head` has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        text = "the memory of this machine is used up; try a smaller or shorter video"
        return _tell(text, error, settings)
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {error}"
        if not settings.debug:
            text += " (run again with --debug for the traceback)"
        return _tell(text, error, settings)


class _Terminated(SystemExit):
    """Ends the program because somebody has asked it to end."""


def _tell_end(how: str, settings: Settings) -> None:
    told = "; ".join([how, *settings.notes, "nothing was left half-written"])
    sys.stderr.write(f"\n{told}\n")


def _tell(
    text: str, error: BaseException, settings: Settings, *, lines: Sequence[str] = ()
) -> int:
    if settings.debug:
        traceback.print_exception(error)
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
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        label, begin, end = f"\x1b[1;31m{label}", "\x1b[22m", "\x1b[0m"
    indent = " " * len("error: ")
    lines = f"\n{indent}".join(_one_line(problem) for problem in problems)
    sys.stderr.write(f"{label} {begin}{lines}{end}\n")


def _one_line(text: str) -> str:
    # A file name may hold anything, even a newline or the codes that move the cursor.
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a polite kill end the program as Ctrl-C does, so that it can clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Terminated(_TERMINATED)
