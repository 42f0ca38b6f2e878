"""What an error looks like in a terminal."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys

import click
import pytest

from videoseg.cli import pipeline_options, program
from videoseg.cli.framework import VideosegCommand, VideosegGroup
from videoseg.cli.program import run_program
from videoseg.errors import ConfigError, MissingWeightsError, VideosegError
from videoseg.pipeline import STAGES
from videoseg.testing import moving_square
from videoseg.video import write_video


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
        "error: segmenter and propagator: sam is not here: fetch (or pass "
        "-O segmenter.download=true -O propagator.download=true)\n"
        "       chat: chat is not here: fetch (or pass -O chat.download=true)\n"
    )
    assert told(MissingWeightsError(sam)) == f"error: {sam}\n"
    one = told(MissingWeightsError(sam, stages=[("chat",)]))
    assert one == "error: chat: sam is not here: fetch (or pass -O chat.download=true)\n"


@pytest.mark.parametrize(
    ("module", "package", "arguments"),
    [
        ("yaml", "pyyaml", ["config", "init", "-"]),
        ("jinja2", "jinja2", ["run", "clip.mp4", "the square", "-o", "out", "-q"]),
        ("cv2", "opencv-python-headless", ["run", "clip.mp4", "the square", "-q"]),
        ("click", "click", ["--help"]),
    ],
)
def test_a_missing_package_of_the_core_comes_with_its_command(
    tmp_path, module, package, arguments
):
    clip = moving_square(4).video
    write_video(tmp_path / "clip.mp4", [clip[index] for index in range(4)], fps=10)
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from videoseg.cli.main import main; sys.exit(main({arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    begin = f"error: videoseg needs {package}, which is not installed: pip install {package}"
    assert done.stderr.startswith(begin)
    if "out" in arguments:
        assert "the answer is saved" in done.stderr


def test_an_unexpected_error_of_an_import_is_shown_as_it_is(told):
    text = told(ModuleNotFoundError("No module named 'mine'", name="mine"))
    assert text.startswith("error: unexpected ModuleNotFoundError: No module named 'mine'")


def test_arguments_of_python_are_given_as_options_of_the_command(capsys):
    messages = {
        "pass overwrite=True": "pass --overwrite",
        "continue it with resume=True": "continue it with resume=True",
        "use reader='pyav', which": "use --reader pyav, which",
        "run with workers=0 to see": "run with --workers 0 to see",
        "overwrite=True already holds a run": "overwrite=True already holds a run",
        "pass clip=True": "pass clip=True",
    }

    @click.command(cls=VideosegCommand)
    @click.argument("clip")
    @click.option("-w", "--overwrite", is_flag=True)
    @click.option("--reader")
    @click.option("--num-workers", "--workers", "workers")
    def fails(**_: object) -> None:
        raise ConfigError(list(messages))

    assert run_program(["fails", "x"], VideosegGroup("videoseg", commands={"fails": fails})) == 1
    lines = capsys.readouterr().err.removeprefix("error: ").splitlines()
    assert [line.strip() for line in lines] == list(messages.values())


def test_quotes_are_suggested_only_for_commands_that_take_text(capsys):
    assert run_program(["run", "clip.mp4", "the", "dog"]) == 2
    assert "put text with spaces in quotes" in capsys.readouterr().err
    assert run_program(["doctor", "now"]) == 2
    assert "quotes" not in capsys.readouterr().err


@pytest.fixture
def told_by_run(capsys):
    """Return what runs a command with the options of a pipeline that fails."""

    def run(text: str) -> str:
        @click.command(cls=VideosegCommand)
        @pipeline_options
        def fails(**_: object) -> None:
            raise ConfigError(text)

        assert run_program(["fails"], click.Group("videoseg", {"fails": fails})) == 1
        return capsys.readouterr().err.removeprefix("error: ").strip()

    return run


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        (
            "propagator 'sam2': model 'toy' has no weights; set random_weights=True",
            "propagator 'sam2': model 'toy' has no weights; pass "
            "-O propagator.random_weights=true",
        ),
        (
            "grounder: use a smaller model, precision='bfloat16', or device='cpu'",
            "grounder: use a smaller model, -O grounder.precision=bfloat16, or --device cpu",
        ),
        (
            "propagator: name a file with checkpoint=...",
            "propagator: name a file with -O propagator.checkpoint=...",
        ),
        ("there is no file a=True", "there is no file a=True"),
        ("open it with live=False", "open it with live=False"),
    ],
)
def test_arguments_of_stages_are_options_of_the_command(told_by_run, text, typed):
    assert told_by_run(text) == typed


def test_the_stages_that_messages_begin_with_are_those_of_pipelines():
    assert program._STAGES == STAGES


def logged(capsys, *options):
    @click.command(cls=VideosegCommand)
    def works() -> None:
        for name in ("videoseg.pipeline", "videoseg_sam2.network", "another"):
            logging.getLogger(name).info("%s informs", name)
            logging.getLogger(name).debug("%s tells all", name)

    assert run_program(["works", *options], click.Group("videoseg", {"works": works})) == 0
    return capsys.readouterr().err


def test_v_logs_to_standard_error_what_videoseg_and_its_plug_ins_do(capsys):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    assert logged(capsys) == ""
    once, twice = logged(capsys, "-v"), logged(capsys, "-vv")
    assert "videoseg.pipeline informs" in once and "videoseg_sam2.network informs" in once
    assert "another" not in twice and "tells all" not in once
    assert "videoseg.pipeline tells all" in twice
    assert (root.level, list(root.handlers)) == before


def test_a_pipe_that_ends_early_is_no_error_however_long_the_output(capsys):
    @click.command(cls=VideosegCommand)
    def writes() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert run_program(["writes"], click.Group("videoseg", {"writes": writes})) == 1
    assert capsys.readouterr().err == ""
