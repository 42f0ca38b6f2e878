"""What an error looks like in a terminal."""

from __future__ import annotations

import click
import pytest

from videoseg.cli.program import run_program
from videoseg.errors import ConfigError, MissingWeightsError, VideosegError


@pytest.fixture
def told(capsys):
    """Return what runs a command that fails with an error, and returns what it told."""

    def run(error: Exception) -> str:
        @click.command()
        def fails() -> None:
            raise error

        assert run_program(["fails"], click.Group("videoseg", {"fails": fails})) == 1
        return capsys.readouterr().err

    return run


def test_one_problem_is_one_line(told):
    assert told(VideosegError("no such thing")) == "error: no such thing\n"
    assert told(ConfigError(["no such thing"])) == "error: no such thing\n"


def test_each_of_several_problems_has_a_line_below_the_first(told):
    assert told(ConfigError(["one", "two", "three"])) == "error: one\n       two\n       three\n"


def test_no_problem_can_write_a_line_of_its_own(told):
    text = told(ConfigError(["a\nerror: forged\x1b[2J", "b\rc"]))
    assert text == "error: a error: forged\ufffd[2J\n       b c\n"


def test_a_download_is_offered_as_it_is_typed(told):
    sam, chat = (f"{name} is not here: fetch (or set download=True)" for name in ("sam", "chat"))
    both = ("segmenter", "propagator")
    assert told(MissingWeightsError([sam, chat], stages=[both, ("chat",)])) == (
        "error: sam is not here: fetch (or pass -O segmenter.download=true "
        "-O propagator.download=true)\n"
        "       chat is not here: fetch (or pass -O chat.download=true)\n"
    )
    assert told(MissingWeightsError(sam)) == f"error: {sam}\n"
