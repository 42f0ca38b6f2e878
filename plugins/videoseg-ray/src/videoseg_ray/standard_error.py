"""Keeping a false alarm of Ray off the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

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

    For programs only: file descriptor 2 and ``sys.stderr`` are others during the block.
    """
    try:
        terminal = os.dup(2)
    except OSError:
        # Standard error is closed.
        yield
        return
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    before, own = sys.stderr, _stream_to(terminal)
    sys.stderr = own or before
    passing = threading.Thread(target=_pass_on, args=(reading, terminal), daemon=True)
    passing.start()
    try:
        yield
    finally:
        for stream in (own, before):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        sys.stderr = before
        os.dup2(terminal, 2)
        passing.join(_CLOSING_SECONDS)
        if not passing.is_alive():
            os.close(terminal)


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


def _pass_on(reading: int, terminal: int) -> None:
    with open(reading, "rb") as lines:
        for line in lines:
            if not _FALSE_ALARM.match(line):
                with contextlib.suppress(OSError):
                    os.write(terminal, line)
