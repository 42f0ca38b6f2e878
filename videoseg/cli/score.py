"""``videoseg score``: score predictions of any system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.completion import complete_benchmarks
from videoseg.cli.eval import (
    SUMMARY_FAILURES,
    benchmark_options,
    open_split,
    reader_option,
    root_option,
    show_report,
    split_option,
    strict_option,
)
from videoseg.cli.framework import PATH, VideosegCommand, typed_command
from videoseg.cli.terminal import json_option, quiet_option, working
from videoseg.files import expand_path, read_text

if TYPE_CHECKING:
    from videoseg.benchmarks import BenchmarkSplit

__all__ = ["score"]


@click.command(
    "score",
    cls=VideosegCommand,
    examples="""
    videoseg score --pred results/ --gt Annotations/480p --protocol davis-2017-semi-supervised
    videoseg score --pred results.json --benchmark revos --root data/revos -o out/theirs
    videoseg score --pred out/mine --benchmark revos --root data/revos --protocol mevis
    """,
)
@click.option(
    "--pred",
    type=PATH,
    required=True,
    help="A folder or zip of PNGs (video/expression/frame.png, or video/frame.png with object "
    "ids), a JSON file of RLEs, or the output folder of an earlier run.",
)
@click.option("--gt", type=PATH, help="A folder of true masks, laid out like predictions.")
@click.option("--frames", type=PATH, help="With --gt: the folder of frames, for pictures.")
@click.option(
    "--videos",
    metavar="NAMES",
    help="With --gt: the videos to score, separated by commas, or a file with one in each line.",
)
@click.option(
    "--benchmark",
    metavar="NAME",
    shell_complete=complete_benchmarks,
    help="Instead of --gt: a benchmark.",
)
@root_option
@split_option
@reader_option
@strict_option
@click.option("--protocol", "rules", metavar="NAME", help="By default the benchmark's own.")
@click.option(
    "--resize",
    is_flag=True,
    help="Resize predictions of another size by nearest neighbor; by default they are an error.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "zero"]),
    default="raise",
    show_default=True,
    help="What to do about predictions that cannot be used: fail, or count them as zero.",
)
@click.option(
    "--frame-offset",
    type=int,
    metavar="N",
    help="What to add to a frame's number to get the number in the name of its predicted mask, "
    "such as 1 for masks numbered from 1. By default the names are the same.",
)
@click.option("-o", "--output", type=PATH, help="Write records and report to this folder.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Processes that share the work; 0 scores in this one.",
)
@click.option(
    "--check",
    is_flag=True,
    help="With --benchmark: only check that a server can score --pred, a zip or a folder.",
)
@json_option
@quiet_option
def score(
    *,
    pred: Path,
    gt: Path | None,
    frames: Path | None,
    videos: str | None,
    benchmark: str | None,
    root: Path | None,
    split: str,
    reader_options: tuple[str, ...],
    strict: bool,
    rules: str | None,
    output: Path | None,
    check: bool,
    as_json: bool,
    quiet: bool,
    **scoring: Any,
) -> None:
    """Score predictions of any system by the rules of a benchmark.

    The truth is a plain folder of masks (--gt) or a benchmark (--benchmark and --root).
    """
    from videoseg.cli.eval_progress import EvaluationProgress
    from videoseg.evaluation import read_annotations, score_predictions

    if gt is not None and benchmark is None:
        if rules is None:
            raise click.UsageError("--gt needs --protocol, such as davis-2017-semi-supervised")
        of_benchmarks = {"--root": root, "--split": split, "-B": reader_options}
        _refuse("--benchmark", {**of_benchmarks, "--strict": strict})
        chosen = None if videos is None else _names(videos)
        truth: BenchmarkSplit = read_annotations(gt, rules, frames=frames, videos=chosen)
    elif benchmark is not None and gt is None:
        _refuse("--gt", {"--frames": frames, "--videos": videos})
        options = benchmark_options(reader_options)
        with working(f"reading {benchmark}", quiet=quiet):
            truth = open_split(benchmark, root, split, strict=strict, options=options)
    else:
        raise click.UsageError("give the truth as --gt, or as --benchmark with --root")
    if check:
        _check(pred, truth, benchmark, benchmark_options(reader_options), quiet=quiet)
        return
    # A summary lists the failures, so they are not shown before it as well.
    shown = SUMMARY_FAILURES if quiet or as_json else 0
    with EvaluationProgress(quiet=quiet, max_failures=shown) as progress:
        report = score_predictions(
            truth,
            pred,
            protocol=rules,
            out=output,
            on_progress=progress,
            command=typed_command(),
            **scoring,
        )
    show_report(report, output, as_json=as_json, quiet=quiet)


def _check(
    pred: Path,
    split: BenchmarkSplit,
    benchmark: str | None,
    options: Mapping[str, Any],
    *,
    quiet: bool,
) -> None:
    """Print what is wrong with a submission.

    Raises:
        EvaluationError: If something is wrong.
        click.UsageError: If the benchmark has no form of submissions.
    """
    from videoseg.benchmarks import build_benchmark, check_submission
    from videoseg.errors import EvaluationError

    if benchmark is None:
        raise click.UsageError("--check can only be used with --benchmark")
    form = build_benchmark(benchmark, options=options).submission
    if form is None:
        raise click.UsageError(f"{benchmark} has no form of submissions")
    with working(f"checking {pred}", quiet=quiet):
        problems = check_submission(pred, split, form)
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise EvaluationError(f"{pred} is not what {split.name} takes:{lines}")
    if not quiet:
        click.echo(f"{pred} has everything that {split.name} takes")


def _refuse(needed: str, options: Mapping[str, object]) -> None:
    """Refuse options that need another one.

    Raises:
        click.UsageError: If any of them was given.
    """
    if given := [name for name, value in options.items() if value]:
        raise click.UsageError(f"{' and '.join(given)} can only be used with {needed}")


def _names(text: str) -> list[str]:
    file = expand_path(text)
    # Unlike Path.exists, this accepts a list of names that is too long for a file name.
    if os.path.lexists(file):
        try:
            text = read_text(file).replace("\n", ",")
        except OSError as error:
            raise click.BadParameter(
                f"{file}: {error.strerror or error}; give a file of names, or the names",
                param_hint="--videos",
            ) from error
    return [name.strip() for name in text.split(",") if name.strip()]
