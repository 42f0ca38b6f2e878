"""Runs a command, and turns errors into one line and an exit status."""

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
from videoseg.errors import VideosegError

__all__ = ["run_program"]

_INTERRUPTED = 130
_TERMINATED = 143


def run_program(arguments: Sequence[str], program: click.Command = videoseg) -> int:
    """Run one command and return the exit status; errors go to stderr as one line.

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
        told = "; ".join(["interrupted", *settings.notes, "nothing was left half-written"])
        sys.stderr.write(f"\n{told}\n")
        return _INTERRUPTED
    except click.ClickException as error:
        return _tell(error.format_message(), error, settings)
    except VideosegError as error:
        return _tell(str(error), error, settings)
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


def _tell(text: str, error: BaseException, settings: Settings) -> int:
    if settings.debug:
        traceback.print_exception(error)
    _error_line("; ".join([text, *settings.notes]))
    return 1


def _tell_usage(error: click.UsageError) -> int:
    text = error.format_message().rstrip(".")
    if text.startswith("Got unexpected extra argument"):
        # Nearly always a query without quotes, which the shell has taken apart.
        text += "; put a text that has spaces into quotes"
    where = error.ctx.command_path if error.ctx is not None else "videoseg"
    _error_line(f"{text[:1].lower()}{text[1:]} (see: {where} --help)")
    return 2


def _error_line(text: str) -> None:
    # A file name may hold anything, even a newline or the codes that move the cursor.
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(text.split())
    label = "error:"
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        label, line = f"\x1b[1;31m{label}", f"\x1b[22m{line}\x1b[0m"
    sys.stderr.write(f"{label} {line}\n")


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
    raise SystemExit(_TERMINATED)
