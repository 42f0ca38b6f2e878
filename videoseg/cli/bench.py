"""``videoseg bench``: measure speed and memory on this machine."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.options import parse_value
from videoseg.cli.terminal import (
    json_option,
    open_console,
    print_files,
    print_line,
    quiet_option,
    working,
    write_json,
)
from videoseg.text import shorten

if TYPE_CHECKING:
    from videoseg.bench import BenchClip, BenchReport, Target

__all__ = ["bench"]


@click.command(
    "bench",
    cls=VideosegCommand,
    examples="""
    videoseg bench
    videoseg bench flow xmem sam2 -O sam2.model=sam2.1-hiera-tiny --frames 20
    videoseg bench names --video clip.mp4 --query "the dog"
    videoseg bench flow --video clip.mp4 --masks true_masks/ -o out/bench
    """,
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--video", type=PATH, help="The clip to measure on. Default: one that is drawn.")
@click.option(
    "--masks",
    type=PATH,
    help="Pictures of the object ids of the clip: the first is given, all are scored against.",
)
@click.option("--query", default="", help="What pipelines are asked.")
@click.option(
    "--frames",
    type=click.IntRange(min=2),
    default=60,
    show_default=True,
    help="After how many frames to stop.",
)
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    metavar="NAME.OPTION=VALUE",
    help="Set an option of a propagator. Can be repeated.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of each process.")
@click.option(
    "--live-fps",
    type=click.FloatRange(min=0, min_open=True),
    default=24.0,
    show_default=True,
    help="Frames per second that a choice for live video must reach.",
)
@click.option("-o", "--output", type=PATH, help="Write bench.json, bench.md and bench.svg there.")
@json_option
@quiet_option
def bench(
    *,
    names: tuple[str, ...],
    video: Path | None,
    masks: Path | None,
    query: str,
    frames: int,
    options: tuple[str, ...],
    threads: int | None,
    live_fps: float,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure propagators and pipelines on this machine, and say which to choose.

    NAME is a propagator, which is given the first mask of each object; or a pipeline or its
    YAML file, which is asked --query. Without any, every propagator that is installed is
    measured. Each runs in a process of its own; the clip is decoded meanwhile, and nothing is
    drawn or saved. Exits with 1 if nothing could be measured.
    """
    from videoseg.bench import BenchClip, draw_clip, find_targets, write_bench

    targets = find_targets(names, _parse_options(options))
    with ExitStack() as stack:
        if video is None:
            if masks is not None:
                raise click.UsageError("--masks goes with --video")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with working("drawing a clip", quiet=quiet):
                clip = draw_clip(folder, frames)
        else:
            clip = BenchClip(video, masks)
        clip = replace(clip, query=query or clip.query)
        if not clip.query and any(target.kind == "pipeline" for target in targets):
            raise click.UsageError("a pipeline is asked about the video: add --query TEXT")
        report = _measure_all(targets, clip, frames, threads, live_fps, quiet=quiet)
    files = () if output is None else write_bench(report, output)
    if as_json:
        write_json(report.document())
    elif not quiet:
        _print(report)
        if files:
            print_files(open_console(), [(path, _PURPOSES[path.suffix]) for path in files])
    return int(all(one.state != "measured" for one in report.measurements))


_PURPOSES = {
    ".json": "everything, for programs",
    ".md": "the table",
    ".svg": "the speeds as a picture",
}


def _parse_options(items: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {}
    for item in items:
        key, equals, text = item.partition("=")
        name, dot, option = (part.strip() for part in key.rpartition("."))
        if not (equals and dot and name and option):
            raise click.BadParameter(
                f"{shorten(item)} must have the form NAME.OPTION=VALUE, such as flow.lookahead=2",
                param_hint="-O",
            )
        options.setdefault(name, {})[option] = parse_value(text, item, "-O")
    return options


def _measure_all(
    targets: tuple[Target, ...],
    clip: BenchClip,
    frames: int,
    threads: int | None,
    live_fps: float,
    *,
    quiet: bool,
) -> BenchReport:
    from videoseg.bench import BenchReport, advise, measure
    from videoseg.video import Video

    with Video.open(clip.video) as video:
        name, size = clip.name or video.name, video.size
        # What cannot be read is told once, and not by each process.
        if any(target.kind == "propagator" for target in targets):
            clip.prompts(video)
    measurements = []
    for target in targets:
        with working(f"measuring {target.label}", quiet=quiet):
            measurements.append(measure(target, clip, max_frames=frames, threads=threads))
    advice = advise(
        measurements,
        capabilities={target.label: target.capabilities() for target in targets},
        scores={target.label: target.published_scores() for target in targets},
        live_fps=live_fps,
    )
    return BenchReport(name, size, tuple(measurements), advice, threads)


def _print(report: BenchReport) -> None:
    from rich.table import Table

    from videoseg.bench import bench_rows

    header, *rows = bench_rows(report.measurements)
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(header):
        table.add_column(title, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = open_console()
    console.print(table)
    for one in report.measurements:
        if one.problem:
            print_line(f"{one.label}: {one.problem}")
    for choice in report.advice:
        print_line(f"for {choice.purpose}: {choice.choice or 'none'} ({choice.reason})")
