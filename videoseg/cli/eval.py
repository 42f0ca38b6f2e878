"""``videoseg eval``: run a pipeline over a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.completion import complete_benchmarks
from videoseg.cli.framework import PATH, VideosegCommand, typed_command
from videoseg.cli.options import parse_value, pipeline_options
from videoseg.cli.terminal import (
    json_option,
    open_console,
    print_files,
    quiet_option,
    working,
    write_json,
)
from videoseg.text import printable, shorten, shorten_text

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.benchmarks import BenchmarkSplit
    from videoseg.evaluation import EvaluationReport, JobExecutor, Shard

__all__ = [
    "SUMMARY_FAILURES",
    "benchmark_options",
    "evaluate_benchmark",
    "open_split",
    "reader_option",
    "root_option",
    "show_report",
    "split_option",
    "strict_option",
]

SUMMARY_FAILURES = 5
"""How many failures a summary lists; the report has the others."""

_PROBLEMS = 5
_FILES = (
    ("report.html", "open this in a browser"),
    ("report.md", "the same as text"),
    ("report.json", "the same for programs"),
    ("submission.zip", "the masks, for the benchmark's server or its own scorer"),
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


root_option = click.option("--root", type=PATH, help="The benchmark's folder, as published.")
split_option = click.option(
    "--split",
    default="",
    metavar="NAME",
    help="Split to read; by default the first of the benchmark.",
)
reader_option = click.option(
    "-B",
    "--benchmark-option",
    "reader_options",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Set an option of the benchmark; `videoseg plugins show` lists them. Can be repeated.",
)
strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Refuse a benchmark with invalid entries, which are otherwise left out and listed.",
)


@click.command(
    "eval",
    cls=VideosegCommand,
    examples="""
    videoseg eval synthetic -B num_videos=10 -o out/synthetic
    videoseg eval mevis --root data/mevis -o out/mevis
    videoseg eval mevis --root data/mevis -o out/mevis --resume
    videoseg eval revos --root data/revos -o out/revos --workers 4 --limit 100
    videoseg eval revos --root data/revos -o out/revos --shard 1/8
    videoseg eval mevis --root data/mevis -o out/one --only 00917dcfc4
    """,
)
@click.argument("benchmark", shell_complete=complete_benchmarks)
@root_option
@split_option
@pipeline_options
@click.option("-o", "--output", type=PATH, required=True, help="Output folder.")
@click.option("--resume", is_flag=True, help="Continue the run in the folder.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed samples again.")
@click.option("--shard", callback=_read_shard, metavar="I/N", help="Run one of N equal parts.")
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Run only the sample of this id, or those of the video of this id. Can be repeated.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Run only the first N samples.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Worker processes, each with one pipeline; 0 runs in this process.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@reader_option
@strict_option
@click.option(
    "--submission",
    "always_submit",
    is_flag=True,
    help="Write submission.zip also where the truth is public, for the benchmark's own scorer.",
)
@click.option(
    "--report-only", is_flag=True, help="Write the report again without running anything."
)
@json_option
@quiet_option
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
    only: tuple[str, ...],
    limit: int | None,
    workers: int,
    seed: int,
    options: tuple[str, ...],
    reader_options: tuple[str, ...],
    max_turns: int | None,
    device: str | None,
    strict: bool,
    report_only: bool,
    always_submit: bool,
    as_json: bool,
    quiet: bool,
    executor: JobExecutor | None = None,
    **stages: str | None,
) -> int:
    """Run a pipeline over BENCHMARK, score it and write a report.

    Every sample is written to disk as soon as it is done: after a crash, a full disk or Ctrl-C,
    --resume continues. Samples that fail are recorded with their error and count as zero.
    Exits with 1 if all of them failed.
    """
    from videoseg.benchmarks import build_benchmark
    from videoseg.cli.eval_progress import EvaluationProgress
    from videoseg.cli.options import checked_pipeline, parse_options
    from videoseg.evaluation import evaluate
    from videoseg.evaluation.evaluate import write_outcome

    if retry_failed and not resume:
        raise click.UsageError("--retry-failed can only be used with --resume")
    read_options = benchmark_options(reader_options)
    submission = build_benchmark(benchmark, options=read_options).submission
    if always_submit and submission is None:
        raise click.UsageError(f"{benchmark} has no form of submissions; leave out --submission")
    pipe = checked_pipeline(
        pipeline, stages=stages, options=parse_options(options), max_turns=max_turns, device=device
    )
    with working(f"reading {benchmark}", quiet=quiet):
        samples = open_split(benchmark, root, split, strict=strict, options=read_options)
    if report_only:
        report = write_outcome(output, samples, submission, always_submit=always_submit)
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
                    only=only,
                    workers=workers,
                    executor=executor,
                    seed=seed,
                    on_progress=progress,
                    command=typed_command(),
                    root="" if root is None else root.absolute(),
                    submission=submission,
                    always_submit=always_submit,
                )
            except (KeyboardInterrupt, SystemExit):
                progress.close()
                if progress.latest is not None:
                    hint = (
                        f"\n{progress.latest.done} samples are saved in {output}; add --resume to "
                        "the command to continue"
                    )
                    click.echo(printable(hint, keep="\n"), err=True)
                raise
    show_report(report, output, as_json=as_json, quiet=quiet)
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


def open_split(
    benchmark: str, root: Path | None, split: str, *, strict: bool, options: dict[str, Any]
) -> BenchmarkSplit:
    """Read a split of a benchmark.

    Raises:
        click.UsageError: If the benchmark needs a folder and ``root`` is None.
        VideosegError: If the benchmark does not exist or cannot be read.
    """
    from videoseg.benchmarks import build_benchmark, open_benchmark
    from videoseg.benchmarks.types import needs_root

    if root is None and needs_root(build_benchmark(benchmark, options=options)):
        raise click.UsageError(f"{benchmark} needs --root, the folder of its data")
    return open_benchmark(benchmark, root, split, strict=strict, options=options)


def show_report(
    report: EvaluationReport, folder: Path | None, *, as_json: bool, quiet: bool
) -> None:
    """Print a report as JSON or as a summary; with ``quiet`` only its problems, as warnings."""
    if as_json:
        write_json(report.to_dict())
    elif not quiet:
        _print_report(open_console(), report, folder)
    else:
        for problem in report.problems[:_PROBLEMS]:
            click.echo(f"warning: {printable(problem)}", err=True)


def _print_report(console: Console, report: EvaluationReport, folder: Path | None) -> None:
    """Print the headline table, the coverage and the paths of the files."""

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True)

    line(f"{report.benchmark}: {report.coverage}", "bold")
    if report.scored:
        for place, text in enumerate(_headline(report)):
            line(f"  {text}", "bold" if place == 1 else "")
    for failure in report.failures[:SUMMARY_FAILURES]:
        if (error := failure.error) is not None:
            text = printable(f"{failure.sample}: {error.type}: {error.message}")
            line(f"  failed: {shorten_text(text, 2000)}", "yellow")
    if (more := len(report.failures) - SUMMARY_FAILURES) > 0:
        where = "the report lists them" if folder is not None else "with -o a report lists them"
        line(f"  and {more} more failed; {where}", "yellow")
    for problem in report.problems[:_PROBLEMS]:
        line(f"  {printable(problem)}", "yellow")
    line(f"  protocol {report.protocol}")
    if folder is not None:
        files = [(folder / name, text) for name, text in _FILES]
        print_files(console, [(path, text) for path, text in files if path.exists()])


def _headline(report: EvaluationReport) -> Iterator[str]:
    """Yield the lines of the first table: its head, overall, and each group."""
    from videoseg.evaluation.report.data import percent
    from videoseg.metrics import measure_name

    rows = report.headline_rows
    width = max(len(row.label) for row in rows)
    columns = [(name, measure_name(name)) for name in report.measures]
    widths = [max(len(title), 5) for _, title in columns]
    table = [("", "samples", [title for _, title in columns])]
    for row in rows:
        cells = [percent(row.values.get(name)) for name, _ in columns]
        table.append((row.label, str(row.count), cells))
    for label, count, cells in table:
        right = "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True))
        yield f"{label:<{width}}  {count:>7}  {right}"
