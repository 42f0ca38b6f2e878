"""Keeping a false alarm of Ray off the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO

__all__ = ["false_alarms_dropped"]

# Ray Data restarts actors that die, and passes them an argument in the object store, which it
# keeps itself. Ray (2.60) takes that for a mistake of the caller's, and writes a line past
# Python's logging for each pool. RAY_BACKEND_LOG_LEVEL only trades it for another line.
_FALSE_ALARM = re.compile(
    rb"^\[[^\]]* E \d+ \d+\] core_worker\.cc:\d+: Actor with class name: 'MapWorker.* has "
    rb"constructor arguments in the object store and max_restarts > 0\."
)
# For what other processes still hold of the pipe.
_CLOSING_SECONDS = 1.0


@contextlib.contextmanager
def false_alarms_dropped() -> Iterator[None]:
    """Pass on all that is written to standard error, but for Ray's false alarm.

    Another process does it, so the last words of one that crashes are heard, too. For programs
    only: file descriptor 2 and ``sys.stderr`` are others during the block.
    """
    try:
        terminal = os.dup(2)
    except OSError:
        # Standard error is closed.
        yield
        return
    passing = _start_passing_on(terminal)
    before, own = sys.stderr, _stream_to(terminal)
    sys.stderr = own or before
    try:
        yield
    finally:
        for stream in (own, before):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        sys.stderr = before
        os.dup2(terminal, 2)
        os.close(terminal)
        # What other processes write later is passed on while they last.
        with contextlib.suppress(subprocess.TimeoutExpired):
            passing.wait(_CLOSING_SECONDS)


def _start_passing_on(terminal: int) -> subprocess.Popen[bytes]:
    """Let a process pass on to the terminal what is written to file descriptor 2."""
    reading, writing = os.pipe()
    try:
        passing = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=reading,
            stdout=terminal,
            stderr=terminal,
            # An interrupt of all programs of the terminal does not end it before the others.
            start_new_session=True,
        )
        os.dup2(writing, 2)
    finally:
        os.close(reading)
        os.close(writing)
    return passing


def _stream_to(terminal: int) -> TextIO | None:
    """Return a stream that is to the terminal what ``sys.stderr`` is; None if that is no file."""
    try:
        if sys.stderr.fileno() != 2:
            return None
    except (AttributeError, OSError, ValueError):
        return None
    return open(
        terminal,
        "w",
        buffering=1,
        encoding=sys.stderr.encoding,
        errors=sys.stderr.errors,
        closefd=False,
    )


def _pass_on(lines: BinaryIO, terminal: BinaryIO) -> None:
    for line in lines:
        if not _FALSE_ALARM.match(line):
            # Programs go on without a terminal, so all is read.
            with contextlib.suppress(OSError):
                terminal.write(line)
                terminal.flush()


if __name__ == "__main__":
    _pass_on(sys.stdin.buffer, sys.stdout.buffer)
