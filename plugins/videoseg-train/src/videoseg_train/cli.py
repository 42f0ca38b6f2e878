"""``videoseg train sft``, ``videoseg train grpo`` and ``videoseg train check``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from videoseg.cli import PATH, VideosegCommand, VideosegGroup, json_option, print_line, write_json

if TYPE_CHECKING:
    from videoseg_train.config import Method

__all__ = ["check", "grpo", "sft", "train"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group("train", cls=VideosegGroup)
def train() -> None:
    """Train a policy on the loop that inference runs.

    A configuration says which model learns what from which data; 'videoseg train check' says
    whether it can be run. Presets: r1, o3, o3-released.
    """


_OPTIONS = (
    click.argument("config", type=PATH),
    click.option("-o", "--output", type=PATH, required=True, help="Folder of the run."),
    click.option("--resume", is_flag=True, help="Go on from the folder's newest checkpoint."),
    click.option("--model", metavar="PATH", help="Begin with this model instead."),
    click.option("--steps", type=click.IntRange(min=1), help="Make so many steps instead."),
    click.option("--seed", type=int, help="Use this seed instead."),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary."),
    json_option,
)


def _run_options(command: _Command) -> _Command:
    # Decorators apply from the bottom up.
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@train.command(
    cls=VideosegCommand,
    examples="videoseg train sft first.yaml -o runs/sft\n"
    "videoseg train sft first.yaml -o runs/sft --resume",
)
@_run_options
def sft(**arguments: Any) -> None:
    """Learn from a teacher's answers (supervised fine-tuning).

    CONFIG is a YAML file; its section 'sft' is used.
    """
    _train("sft", **arguments)


@train.command(
    cls=VideosegCommand,
    examples="videoseg train grpo first.yaml -o runs/grpo --model runs/sft/model",
)
@_run_options
def grpo(**arguments: Any) -> None:
    """Learn from rewards (group-relative policy optimization).

    CONFIG is a YAML file; its section 'grpo' is used.
    """
    _train("grpo", **arguments)


@train.command(cls=VideosegCommand, examples="videoseg train check first.yaml")
@click.argument("config", type=PATH)
@click.option(
    "--method",
    type=click.Choice(["sft", "grpo"]),
    help="Check this method's section; by default each that the file has.",
)
@json_option
def check(config: Path, method: Method | None, as_json: bool) -> None:
    """Check a configuration, its components, data and model, without training.

    CONFIG is a YAML file. The model is not loaded.
    """
    from videoseg_train.check import check_training

    found = check_training(config, method)
    if as_json:
        write_json([one.to_dict() for one in found])
    else:
        for one in found:
            print_line(str(one))
    bad = [one for one in found if not one.ok]
    if bad:
        raise click.exceptions.Exit(1)


def _train(
    method: Method,
    *,
    config: Path,
    output: Path,
    resume: bool,
    model: str | None,
    steps: int | None,
    seed: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    from videoseg_train.config_reader import read_training_config
    from videoseg_train.processes import leave_processes
    from videoseg_train.run import train as run_training

    changes: dict[str, Any] = {}
    if model is not None:
        changes["model"] = {"path": model}
    if steps is not None:
        changes[method] = {"steps": steps, "epochs": None}
    if seed is not None:
        changes["seed"] = seed
    settings = read_training_config(config, method, changes=changes)
    result = run_training(settings, output, resume=resume, quiet=quiet or as_json)
    leave_processes()
    if as_json:
        write_json(
            {
                "folder": str(result.folder),
                "model": str(result.model),
                "report": str(result.report),
                "steps": result.steps,
                "metrics": dict(result.metrics),
                "warnings": list(result.warnings),
            }
        )
    elif not quiet:
        for warning in result.warnings:
            print_line(f"warning: {warning}")
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
        print_line(f"{result.steps} steps: {numbers}")
        print_line(f"model   {result.model}")
        print_line(f"report  {result.report}")
