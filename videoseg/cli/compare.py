"""``videoseg compare``: compare two evaluations sample by sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.terminal import json_option, open_console, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.evaluation import Comparison

__all__ = ["compare"]


@click.command(
    "compare",
    cls=VideosegCommand,
    examples="""
    videoseg compare out/before out/after
    videoseg compare out/a out/b --resample videos --top 20
    videoseg compare out/a out/b --json | jq .differences
    """,
)
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option(
    "--resample",
    type=click.Choice(["samples", "videos"]),
    default="samples",
    show_default=True,
    help="What the bootstrap draws. Expressions of one video are alike; drawing whole videos "
    "accounts for that.",
)
@click.option(
    "--resamples",
    "num_resamples",
    type=click.IntRange(min=100, max=1_000_000),
    default=10_000,
    show_default=True,
    help="Number of bootstrap draws.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence level of the intervals.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same intervals.",
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many of the most changed samples to list.",
)
@click.option(
    "--allow-different",
    is_flag=True,
    help="Compare what both have even if protocols or samples differ.",
)
@json_option
def compare(*, first: Path, second: Path, top: int, as_json: bool, **options: Any) -> None:
    """Compare two evaluations sample by sample; differences are SECOND minus FIRST.

    FIRST and SECOND are output folders of eval or score, of the same benchmark.
    """
    from videoseg.evaluation import compare_evaluations

    comparison = compare_evaluations(first, second, **options)
    if as_json:
        write_json(comparison.to_dict())
    else:
        _print(open_console(), comparison, top)


def _print(console: Console, comparison: Comparison, top: int) -> None:
    from videoseg.metrics import measure_name
    from videoseg.text import format_count

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True)

    line(
        f"{comparison.benchmark}: {format_count(comparison.num_samples, 'sample')} on "
        f"{format_count(comparison.num_videos, 'video')}, protocol {comparison.protocol.name}",
        "bold",
    )
    if comparison.left_out:
        left_out = format_count(comparison.left_out, "sample")
        line(f"  only in one of them, left out: {left_out}", "yellow")
    interval = f"{100 * comparison.confidence:g} % interval"
    line(f"  {'':<16}   first  second  difference  {interval}")
    for row in comparison.differences:
        interval = "none"
        if row.low is not None and row.high is not None:
            interval = f"{100 * row.low:+.1f} to {100 * row.high:+.1f}"
        line(
            f"  {measure_name(row.measure):<16}  {100 * row.first:6.1f}  {100 * row.second:6.1f}"
            f"  {100 * row.difference:+10.1f}  {interval}",
            ("green" if row.difference > 0 else "red") if row.clear else "",
        )
    same = comparison.num_samples - comparison.better - comparison.worse
    line(
        f"  {comparison.better} better, {comparison.worse} worse, {same} the same; "
        f"{_bootstrap(comparison)}"
    )
    changed = [change for change in comparison.changes if change.difference][:top]
    if changed:
        line(f"\nlargest changes, {measure_name(comparison.main_measure)}:", "bold")
    for change in changed:
        line(
            f"  {100 * change.difference:+6.1f}  {100 * change.first:5.1f} to "
            f"{100 * change.second:5.1f}  {change.sample}  {' '.join(change.query.split())}"
        )


def _bootstrap(comparison: Comparison) -> str:
    from videoseg.text import format_count

    of_videos = comparison.resampled == "videos"
    number = comparison.num_videos if of_videos else comparison.num_samples
    if number < comparison.min_units:
        given = format_count(number, comparison.resampled.removesuffix("s"))
        return f"{given}, and an interval needs at least {comparison.min_units}"
    return (
        f"bootstrap over {comparison.resampled}, {comparison.num_resamples} draws, "
        f"seed {comparison.seed}"
    )
