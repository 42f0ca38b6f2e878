"""The program's commands, listed without importing them."""

from __future__ import annotations

import click

from videoseg._version import __version__
from videoseg.cli.framework import LazyGroup

__all__ = ["videoseg"]

_COMMANDS = {
    "run": ("videoseg.cli.run:run", "Ask a video a question; save masks and the reasoning."),
    "demo": ("videoseg.cli.demo:demo", "Try it on a clip that is drawn here and now."),
    "eval": ("videoseg.cli.eval:evaluate_benchmark", "Run a pipeline over a benchmark."),
    "score": ("videoseg.cli.score:score", "Score predictions of any other system."),
    "compare": ("videoseg.cli.compare:compare", "Tell whether one evaluation beats another."),
    "plugins": ("videoseg.cli.plugins:plugins", "List what is installed and what is missing."),
    "pipelines": ("videoseg.cli.pipelines:pipelines", "List and explain ready-made pipelines."),
    "config": ("videoseg.cli.pipelines:config", "Write, show and check pipeline files."),
    "doctor": ("videoseg.cli.doctor:doctor", "Check that everything works on this machine."),
}


@click.group(
    "videoseg",
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, "--version", prog_name="videoseg")
def videoseg() -> None:
    """Ask a video a question and get masks back, with the reasons.

    \b
    videoseg demo                          see it work, no weights needed
    videoseg run dog.mp4 "the moving dog"  ask about your own video
    videoseg run --help                    choose other stages and models
    """  # noqa: D301 - click reads the backspace itself as "keep these lines"
