"""Standard output as commands use it: their own, written whole, whoever else prints."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from videoseg.errors import OutputError

__all__ = ["command_output", "own_output", "standard_streams"]

_STDOUT, _STDERR = 1, 2
_own: list[TextIO] = []
"""Where a command writes while what others print goes to standard error; the latest last."""


def command_output() -> TextIO:
    """Return where a command writes what it has to say."""
    return _own[-1] if _own else sys.stdout


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make standard output and error fit to be written to for the duration of a program.

    Text that their encoding lacks is written with escapes, an output that is full or closed is
    an ``OutputError``, and what was not written yet is by the end. Streams that a program has
    put in their place, such as those of a test, are left alone.
    """
    before = (sys.stdout, sys.stderr)
    _occupy_closed_descriptors()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 -- as long as the process
    if sys.stdout is None:
        sys.stdout = _Closed()
    elif _is_standard(sys.stdout):
        sys.stdout.flush()
        sys.stdout = _Output.of(sys.stdout, os.dup(_STDOUT))
    try:
        yield
        sys.stdout.flush()
    finally:
        ours = sys.stdout
        sys.stdout, sys.stderr = before
        if isinstance(ours, _Output):
            ours.let_go()


@contextmanager
def own_output() -> Iterator[None]:
    """Keep standard output for the command; what others print goes to standard error.

    That holds for plug-ins, libraries, and the programs and processes they start.
    """
    own = sys.stdout
    _own.append(own)
    sys.stdout = sys.stderr
    kept = _redirected() if isinstance(own, _Output) else None
    try:
        yield
        own.flush()
    finally:
        sys.stdout = own
        _own.remove(own)
        if kept is not None:
            with contextlib.suppress(OSError):
                sys.__stdout__.flush()  # type: ignore[union-attr]
            os.dup2(kept, _STDOUT)
            os.close(kept)


class _Output(io.TextIOWrapper):
    """Standard output whose failures say what they are."""

    @classmethod
    def of(cls, stream: TextIO, descriptor: int) -> _Output:
        return cls(
            open(descriptor, "wb"),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.isatty(),
        )

    def write(self, text: str, /) -> int:
        with _told():
            return super().write(text)

    def flush(self) -> None:
        with _told():
            super().flush()

    def let_go(self) -> None:
        # What could not be written has been told of; closing would try it again.
        with contextlib.suppress(OSError, OutputError):
            self.close()


class _Closed(io.TextIOBase):
    """Stands for a standard output that was closed before the program began."""

    encoding = "utf-8"

    def write(self, text: str, /) -> int:
        del text
        raise OutputError(_CANNOT.format("it is closed"))


_CANNOT = "cannot write to standard output: {}; give it somewhere to go that has room"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(_CANNOT.format(error.strerror or error)) from error


def _is_standard(stream: Any) -> bool:
    try:
        return stream is sys.__stdout__ and stream is not None and stream.fileno() == _STDOUT
    except (OSError, ValueError, AttributeError):
        return False


def _redirected() -> int:
    """Make descriptor 1 the same as 2; return a copy of what it was."""
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    return kept


def _occupy_closed_descriptors() -> None:
    # The next file opened would get the number, and what is printed would go into it.
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > _STDERR:
            os.close(descriptor)
            return
