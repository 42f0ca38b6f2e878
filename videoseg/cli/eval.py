"""``videoseg eval``: run a pipeline over a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.framework import PATH, VideosegCommand, typed_command
from videoseg.cli.pipeline_options import parse_value, pipeline_options
from videoseg.cli.terminal import json_option
from videoseg.text import printable, shorten, shorten_text

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.evaluation import EvaluationReport, SampleExecutor, Shard
    from videoseg.evaluation.report import TableRow

__all__ = [
    "SUMMARY_FAILURES",
    "benchmark_options",
    "evaluate_benchmark",
    "print_report",
    "strict_option",
    "warn_of_problems",
]

SUMMARY_FAILURES = 5
"""How many failures a summary lists; the report has the others."""

_PROBLEMS = 5
_FILES = (
    ("report.html", "open this in a browser"),
    ("report.md", "the same as text"),
    ("report.json", "the same for programs"),
    ("submission.zip", "upload this to the benchmark's server"),
)


def _read_shard(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> Shard | None:
    from videoseg.errors import ConfigError
    from videoseg.evaluation import Shard

    try:
        return None if value is None else Shard.parse(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error


strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Refuse a benchmark with invalid entries, which are otherwise left out and listed.",
)


@click.command(
    "eval",
    cls=VideosegCommand,
    examples="""
    videoseg eval mevis --root data/mevis -o out/mevis
    videoseg eval mevis --root data/mevis -o out/mevis --resume
    videoseg eval revos --root data/revos -o out/revos --workers 4 --limit 100
    videoseg eval revos --root data/revos -o out/revos --shard 1/8
    """,
)
@click.argument("benchmark")
@click.option("--root", type=PATH, help="The benchmark's folder, as published.")
@click.option("--split", default="", metavar="NAME", help="By default the benchmark's first.")
@pipeline_options
@click.option("-o", "--output", type=PATH, required=True, help="The folder of this run.")
@click.option("--resume", is_flag=True, help="Continue the run in the folder.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed samples again.")
@click.option("--shard", callback=_read_shard, metavar="I/N", help="Run one of N equal parts.")
@click.option("--limit", type=click.IntRange(min=1), help="Run only the first N samples.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Processes with one pipeline each; 0 runs in this one.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same result.")
@click.option(
    "-B",
    "--benchmark-option",
    "reader_options",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Set an option of the benchmark's reader; may be repeated.",
)
@strict_option
@click.option(
    "--report-only", is_flag=True, help="Write the report again without running anything."
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def evaluate_benchmark(
    *,
    benchmark: str,
    root: Path | None,
    split: str,
    pipeline: str,
    output: Path,
    resume: bool,
    retry_failed: bool,
    shard: Shard | None,
    limit: int | None,
    workers: int,
    seed: int,
    options: tuple[str, ...],
    reader_options: tuple[str, ...],
    max_turns: int | None,
    strict: bool,
    report_only: bool,
    as_json: bool,
    quiet: bool,
    executor: SampleExecutor | None = None,
    **stages: str | None,
) -> int:
    """Run a pipeline over BENCHMARK, score it and write a report.

    Every sample is written to disk as soon as it is done: after a crash, a full disk or Ctrl-C,
    --resume continues. Samples that fail are recorded with their error and count as zero.
    Exits with 1 if all of them failed.
    """
    from videoseg.benchmarks import build_benchmark, open_benchmark
    from videoseg.benchmarks.types import needs_root
    from videoseg.cli.eval_progress import EvaluationProgress
    from videoseg.cli.pipeline_options import checked_pipeline, parse_options
    from videoseg.cli.terminal import open_console, working, write_json
    from videoseg.evaluation import evaluate
    from videoseg.evaluation.evaluate import write_outcome

    if retry_failed and not resume:
        raise click.UsageError("--retry-failed can only be used with --resume")
    read_options = benchmark_options(reader_options)
    pipe = checked_pipeline(
        pipeline, stages=stages, options=parse_options(options), max_turns=max_turns
    )
    built = build_benchmark(benchmark, options=read_options)
    if root is None and needs_root(built):
        raise click.UsageError(f"{benchmark} needs --root, the folder of its data")
    submission = built.submission
    with working(f"reading {benchmark}", quiet=quiet):
        samples = open_benchmark(benchmark, root, split, strict=strict, options=read_options)
    if report_only:
        report = write_outcome(output, samples, submission)
    else:
        with pipe, EvaluationProgress(quiet=quiet) as progress:
            try:
                report = evaluate(
                    samples,
                    pipe,
                    output,
                    resume=resume,
                    retry_failed=retry_failed,
                    shard=shard,
                    limit=limit,
                    workers=workers,
                    executor=executor,
                    seed=seed,
                    on_progress=progress,
                    command=typed_command(),
                    root="" if root is None else root.absolute(),
                    submission=submission,
                )
            except (KeyboardInterrupt, SystemExit):
                progress.close()
                if progress.latest is not None:
                    hint = _resume_hint(progress.latest.done, output)
                    click.echo(printable(hint, keep="\n"), err=True)
                raise
    if as_json:
        write_json(report.to_dict())
    elif not quiet:
        print_report(open_console(), report, output)
    else:
        warn_of_problems(report)
    # A run without any answer is a failure, even if all its samples have records.
    coverage = report.coverage
    asked = report.samples or coverage.unusable
    return int(bool(asked) and coverage.failed + coverage.uncounted == coverage.done)


def benchmark_options(items: Sequence[str]) -> dict[str, Any]:
    """Read ``option=value`` texts; values are read as YAML.

    Raises:
        click.BadParameter: If one has another form.

    Example:
        >>> benchmark_options(["check_pictures=false"])
        {'check_pictures': False}
    """
    options: dict[str, Any] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not (equals and name.strip()):
            raise click.BadParameter(
                f"{shorten(item)} must have the form option=value", param_hint="-B"
            )
        options[name.strip()] = parse_value(text, item, "-B")
    return options


def warn_of_problems(report: EvaluationReport) -> None:
    """Print the problems of a report to standard error, where the report is not printed."""
    for problem in report.problems[:_PROBLEMS]:
        click.echo(f"warning: {printable(problem)}", err=True)


def print_report(console: Console, report: EvaluationReport, folder: Path | None) -> None:
    """Print the headline table, the coverage and the paths of the files."""
    from videoseg.metrics import measure_name

    console.print(f"{report.benchmark}: {report.coverage}", style="bold", soft_wrap=True)
    if report.scored:
        names = [measure_name(name) for name in report.measures]
        rows = report.headline_rows
        width = max(len(row.label) for row in rows)
        widths = [max(len(name), 5) for name in names]
        head = "  ".join(f"{n:>{w}}" for n, w in zip(names, widths, strict=True))
        console.print(f"  {'':<{width}}  samples  {head}", soft_wrap=True)
        for place, row in enumerate(rows):
            style = "bold" if place == 0 else ""
            cells = _cells(row, report.measures, widths)
            line = f"  {row.label:<{width}}  {row.count:>7}  {cells}"
            console.print(line, style=style, soft_wrap=True)
    for failure in report.failures[:SUMMARY_FAILURES]:
        if failure.error is not None:
            error = failure.error
            said = printable(f"{failure.sample}: {error.type}: {error.message}")
            text = f"  failed: {shorten_text(said, 2000)}"
            console.print(text, style="yellow", soft_wrap=True)
    if (more := len(report.failures) - SUMMARY_FAILURES) > 0:
        where = "the report lists them" if folder is not None else "with -o a report lists them"
        console.print(f"  and {more} more failed; {where}", style="yellow", soft_wrap=True)
    for problem in report.problems[:_PROBLEMS]:
        console.print(f"  {printable(problem)}", style="yellow", soft_wrap=True)
    console.print(f"  protocol {report.protocol}", soft_wrap=True)
    if folder is None:
        return
    console.print()
    files = [(folder / name, text) for name, text in _FILES if (folder / name).exists()]
    longest = max((len(str(path)) for path, _ in files), default=0)
    for path, purpose in files:
        console.print(f"{path!s:<{longest}}  {purpose}", soft_wrap=True)


def _cells(row: TableRow, measures: Sequence[str], widths: Sequence[int]) -> str:
    from videoseg.evaluation.report import percent

    values: Mapping[str, float] = row.values
    return "  ".join(
        f"{percent(values.get(name)):>{width}}"
        for name, width in zip(measures, widths, strict=True)
    )


def _resume_hint(done: int, folder: Path) -> str:
    return f"\n{done} samples are saved in {folder}; add --resume to the command to continue"
