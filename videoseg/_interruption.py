"""Signals of the user, kept apart from foreign code that tries to exit the interpreter.

A plug-in may call ``sys.exit`` or raise ``KeyboardInterrupt`` itself. To the code around it that
looks like Ctrl-C, but must not end the program.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from videoseg.text import printable, shorten_text

__all__ = [
    "ForeignExit",
    "Terminated",
    "describe_error",
    "foreign_code",
    "is_from_user",
    "noted_signals",
]

_LONGEST_MESSAGE = 500
_arrived: list[int] = []
"""The signals that arrived while they were noted; handlers run in the main thread only."""


class Terminated(SystemExit):
    """Raised by a signal that asks the program to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(128 + number)


class ForeignExit(Exception):  # noqa: N818 -- the exception it stands for is not an error
    """Foreign code raised an exception that would have ended the program; it is the cause."""


@contextmanager
def noted_signals(*numbers: int) -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` for SIGINT and ``Terminated`` for others, and note them.

    Signals that are ignored (a job in the background, ``nohup``) stay ignored. Outside the main
    thread, where no handler can be set, this changes nothing.

    Args:
        numbers: The signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: handler
        for number in numbers
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    _arrived.clear()
    for number in before:
        signal.signal(number, _note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _arrived.clear()


@contextmanager
def foreign_code() -> Iterator[None]:
    """Run foreign code; only ``Exception`` and signals of the user leave the block.

    A signal that the code swallowed, or turned into an error of its own, is raised again.

    Raises:
        ForeignExit: If it raises anything but an ``Exception``, such as ``SystemExit``.
    """
    if _can_note_interrupts():
        with noted_signals(signal.SIGINT), foreign_code():
            yield
        return
    # Earlier signals are being handled already; this may be part of the clean-up.
    num_before = len(_arrived)
    try:
        yield
    except BaseException as error:
        _raise_arrived_after(num_before)
        if isinstance(error, Exception) or is_from_user(error):
            raise
        raise ForeignExit(describe_error(error)) from error
    _raise_arrived_after(num_before)


def is_from_user(error: BaseException) -> bool:
    """Return whether an exception comes from a signal, as far as this can be determined."""
    if isinstance(error, Terminated):
        return True
    if not isinstance(error, KeyboardInterrupt):
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    # Where the signal is ignored, as in a job in the background, it interrupts nothing.
    return bool(_arrived) or signal.getsignal(signal.SIGINT) not in (_note, signal.SIG_IGN)


def describe_error(error: BaseException) -> str:
    """Return the kind of an error and its message in one line of bounded length."""
    if isinstance(error, ForeignExit) and error.__cause__ is not None:
        error = error.__cause__
    try:
        text = str(error)
    except Exception:
        # The message itself may come from foreign code.
        text = ""
    text = shorten_text(
        " ".join(printable(text[: 2 * _LONGEST_MESSAGE]).split()), _LONGEST_MESSAGE
    )
    return f"{type(error).__name__}: {text or 'no message'}"


def _can_note_interrupts() -> bool:
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def _raise_arrived_after(num_before: int) -> None:
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and len(_arrived) > num_before:
        raise _ended_by(_arrived[-1])


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    if number != signal.SIGINT and number in _arrived:
        # A terminal that is closed sends more than one; the first is being handled.
        return
    _arrived.append(number)
    raise _ended_by(number)


def _ended_by(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
