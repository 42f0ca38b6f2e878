"""A user's signal ends the program, whatever code of others does with it; nothing else does."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from videoseg._interruption import (
    ForeignExit,
    Terminated,
    describe_error,
    foreign_code,
    is_from_user,
    noted_signals,
)


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    "raised", [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), BaseException("x")]
)
def test_what_would_end_the_program_becomes_an_error(raised):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ForeignExit) as caught, foreign_code():
        raise raised
    assert caught.value.__cause__ is raised
    assert signal.getsignal(signal.SIGINT) is handler


def test_nobody_interrupts_a_job_that_ignores_the_signal():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(ForeignExit), foreign_code():
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


def test_errors_pass_as_they_are():
    with pytest.raises(KeyError), foreign_code():
        raise KeyError("x")


@pytest.mark.parametrize("swallowed", [True, False])
def test_ctrl_c_interrupts_foreign_code_even_if_it_is_swallowed(swallowed):
    with pytest.raises(KeyboardInterrupt), foreign_code():
        try:
            kill(signal.SIGINT)
        except KeyboardInterrupt as error:
            if not swallowed:
                raise ImportError("translated") from error


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_kill_while_something_is_imported_terminates(name):
    number = getattr(signal, name)
    with pytest.raises(Terminated) as caught, noted_signals(signal.SIGINT, number):
        with foreign_code():
            kill(number)
        raise AssertionError("unreachable")
    assert caught.value.code == 128 + number
    assert is_from_user(caught.value)


def test_a_second_kill_does_not_disturb_the_clearing_up():
    cleared = []
    with pytest.raises(Terminated), noted_signals(signal.SIGTERM):
        try:
            kill(signal.SIGTERM)
        finally:
            kill(signal.SIGTERM)
            with foreign_code():
                cleared.append(1)
    assert cleared == [1]


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with noted_signals(signal.SIGHUP):
            kill(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_no_interrupt_comes_from_the_user():
    found = []

    def work() -> None:
        try:
            with foreign_code():
                raise KeyboardInterrupt
        except ForeignExit as error:
            found.append(describe_error(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["KeyboardInterrupt: no message"]


def test_an_error_is_described_in_one_bounded_line():
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe_error(BrokenError()) == "BrokenError: no message"
    assert describe_error(ValueError("a\n\x1b[2Jb")) == "ValueError: a \ufffd[2Jb"
    assert len(describe_error(ValueError("x" * 10**6))) < 600
