"""``videoseg run``: ask a video a question, or follow objects that are given in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from videoseg.cli.completion import complete_components, complete_files
from videoseg.cli.framework import PATH, VideosegCommand, seconds_running
from videoseg.cli.options import EXPORTS, FORMATS, complete_formats, parts_option, pipeline_options
from videoseg.cli.terminal import json_option, open_console, working, write_json
from videoseg.cli.video_options import (
    GivenObject,
    make_prompts,
    part_options,
    prompt_options,
)
from videoseg.text import printable

if TYPE_CHECKING:
    from videoseg.cli.checkpoint import Checkpoint
    from videoseg.pipeline import Pipeline
    from videoseg.results import ExportFormat, Segmentation
    from videoseg.types import Grounding, Prompt, Trace
    from videoseg.video import Video

__all__ = ["run"]

_GUESSED, _ABSENT = 3, 4
_STRICT = {"guessed": _GUESSED, "absent": _ABSENT}
"""Exit statuses under ``--strict``; 1 and 2 are those of errors, see ``videoseg.cli.program``."""

_WARMUP_FRAMES = 48
"""From how many frames of a live source the query is answered, two seconds of most."""


def _read_query(
    context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    video = context.params["video"]
    if value is None:
        return None
    # Path.exists raises an error for a long query instead of returning False.
    if not os.path.exists(video) and os.path.exists(value):  # noqa: PTH110
        raise click.UsageError(
            f"there is no file {video!r}, but there is {value!r}: the VIDEO comes first, then the "
            "QUERY"
        )
    return value


@click.command(
    "run",
    cls=VideosegCommand,
    examples="""
    videoseg run dog.mp4 "the dog that jumps"
    videoseg run frames/ "the red cup" -o out/cup --only masks
    videoseg run dog.mp4 "the dog" --start 1:30 --end 1:45 --max-side 480
    videoseg run dog.mp4 --box dog=0:120,80,260,300
    videoseg run rtsp://camera/stream "the person" --live -o out/door
    videoseg run dog.mp4 "the dog" --sampler uniform -O sampler.num_frames=16
    videoseg run dog.mp4 "the dog" --json --quiet | jq .status
    """,
)
@click.argument("video", shell_complete=complete_files)
@click.argument("query", required=False, callback=_read_query)
@click.option("-o", "--output", type=PATH, help="Output folder. Default: videoseg-out/<name>.")
@part_options
@prompt_options
@click.option(
    "--live",
    is_flag=True,
    help="VIDEO is a camera by its number, such as 0, or the address of a stream. Ctrl-C ends it.",
)
@click.option(
    "--warmup-frames",
    type=click.IntRange(min=1, max=1_000),
    help=f"With --live: answer QUERY from so many frames.  [default: {_WARMUP_FRAMES}]",
)
@pipeline_options
@click.option(
    "--reader",
    default="auto",
    show_default=True,
    metavar="NAME",
    shell_complete=complete_components("reader", "auto"),
    help="Video reader.",
)
@click.option("--seed", type=int, help="Random seed. Default: 0.")
@click.option("--overwrite", is_flag=True, help="Replace an existing result.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run; give the same -o.",
)
@click.option(
    "--export",
    "formats",
    multiple=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help=f"Also export: {', '.join(FORMATS)}. Can be repeated.",
)
@parts_option
@click.option(
    "--strict",
    is_flag=True,
    help=f"Exit with status {_GUESSED} if the answer is a guess, {_ABSENT} if the object is not "
    "in the video.",
)
@json_option
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Show no progress and no summary; warnings go to standard error.",
)
def run(
    *,
    video: str,
    query: str | None,
    output: Path | None,
    start: str | None,
    end: str | None,
    every: int,
    max_side: int | None,
    boxes: tuple[GivenObject, ...],
    points: tuple[GivenObject, ...],
    negative_points: tuple[GivenObject, ...],
    masks: tuple[GivenObject, ...],
    live: bool,
    warmup_frames: int | None,
    pipeline: str,
    device: str | None,
    options: tuple[str, ...],
    max_turns: int | None,
    reader: str,
    seed: int | None,
    overwrite: bool,
    resume: bool,
    formats: tuple[str, ...],
    parts: tuple[str, ...] | None,
    strict: bool,
    as_json: bool,
    quiet: bool,
    **stages: str | None,
) -> int:
    """Ask VIDEO a question; save masks for every frame and the reasoning.

    VIDEO is a video file, a folder of pictures or one picture. All options are checked
    before the run starts. Frames count from 0 and are those of the whole video, as are masks and
    boxes, whichever part of it was looked at.
    """
    from videoseg.cli.answer import answer_document, print_answer
    from videoseg.cli.checkpoint import Checkpoint
    from videoseg.cli.options import checked_pipeline, parse_options
    from videoseg.cli.output_folder import check_output_folder, default_output_folder
    from videoseg.pipeline import check_query

    stage_options = parse_options(options)
    given = (*boxes, *points, *negative_points, *masks)
    if (query is None) != bool(given):
        raise click.UsageError(
            "give either a 'QUERY', or objects with --box, --point or --mask"
            + ("" if query is None else "; the query is not needed to follow what is given")
        )
    query = "" if query is None else check_query(query)
    if resume and output is None:
        raise click.UsageError("--resume needs the -o of the interrupted run")
    if live:
        _check_live(
            video,
            given=bool(given),
            start=start,
            reader=reader,
            resume=resume,
            formats=formats,
        )
    else:
        if warmup_frames is not None:
            raise click.UsageError("--warmup-frames goes with --live")
        _hint_at_live(video)
    pipe = checked_pipeline(
        pipeline, stages=stages, options=stage_options, max_turns=max_turns, device=device
    )
    if live:
        from videoseg.cli.live import LiveRun

        with pipe:
            status = LiveRun(
                video,
                query,
                pipe,
                output,
                every=every,
                max_side=max_side,
                end=end,
                warmup_frames=warmup_frames or _WARMUP_FRAMES,
                seed=seed or 0,
                overwrite=overwrite,
                overlay=parts is None or "overlay" in parts,
                quiet=quiet,
                as_json=as_json,
            ).run()
        return _STRICT.get(status, 0) if strict else 0

    from videoseg.video import Video

    with Video.open(video, reader=reader) as opened, pipe:
        asked = opened
        if (start, end, every, max_side) != (None, None, 1, None):
            asked = opened.part(start, end, every=every, max_side=max_side)
        prompts = make_prompts(given, opened)
        folder = output or default_output_folder(opened.name)
        check_output_folder(folder, overwrite=overwrite)
        _check_exports(formats, folder)
        checkpoint = Checkpoint(
            folder,
            query=query,
            video=opened,
            pipeline=pipe.config.to_dict(),
            seed=seed,
            part=asked.part_of_whole,
        )
        answer = None
        if resume:
            answer = checkpoint.resume()
        else:
            checkpoint.start(overwrite=overwrite)
        with checkpoint:
            before = seconds_running()
            result = _run_pipeline(
                pipe, asked, query, prompts, checkpoint, answer, quiet=quiet, resume=resume
            )
            result = _with_start(result, before)
            checkpoint.result = result
            with working(f"saving to {folder}", quiet=quiet):
                result.save(folder, overwrite=overwrite, parts=parts)
        with working(f"exporting to {folder / EXPORTS}", quiet=quiet or not formats):
            exported = _export(result, formats, folder, overwrite=overwrite)
    if as_json:
        write_json(answer_document(result, folder, exported, seconds=seconds_running()))
    elif not quiet:
        print_answer(open_console(), result, folder, exported, seconds=seconds_running())
    if as_json or quiet:
        for warning in result.warnings:
            click.echo(printable(f"warning: {warning}"), err=True)
    return _STRICT.get(result.status, 0) if strict else 0


def _run_pipeline(
    pipe: Pipeline,
    video: Video,
    query: str,
    prompts: Sequence[Prompt],
    checkpoint: Checkpoint,
    answer: tuple[Grounding, Trace] | None,
    *,
    quiet: bool,
    resume: bool,
) -> Segmentation:
    """Run a pipeline with a progress bar and checkpoints, or propagate a known answer."""
    from videoseg.progress import ProgressBar

    with ExitStack() as stack:
        observers: list[object] = [checkpoint]
        if not quiet:
            observers.append(stack.enter_context(ProgressBar()))
        if prompts:
            return pipe.propagate(
                video, prompts, seed=checkpoint.seed, observers=observers, progress=False
            )
        if answer is not None:
            grounding, trace = answer
            return pipe.propagate(
                video,
                grounding,
                query=query,
                trace=trace,
                seed=checkpoint.seed,
                observers=observers,
                progress=False,
            )
        recorded = stack.enter_context(pipe.recording(checkpoint.exchanges, resume=resume))
        return recorded(video, query, seed=checkpoint.seed, observers=observers, progress=False)


def _with_start(result: Segmentation, seconds: float) -> Segmentation:
    """Return a result whose times include those before the pipeline began."""
    times = dict(result.timings)
    for name in ("start", "total"):
        times[name] = times.get(name, 0.0) + seconds
    return replace(result, timings=times)


def _check_live(
    video: str,
    *,
    given: bool,
    start: str | None,
    reader: str,
    resume: bool,
    formats: Sequence[str],
) -> None:
    """Refuse options that make no sense for a live source.

    Raises:
        click.UsageError: If one was given, or the source is none.
    """
    from videoseg.video.live import is_live_source

    refused = {
        "--box, --point and --mask": given,
        "--start": start is not None,
        "--reader": reader != "auto",
        "--resume": resume,
        "--export": bool(formats),
    }
    if wrong := [name for name, is_given in refused.items() if is_given]:
        raise click.UsageError(
            f"{' and '.join(wrong)} cannot be used with --live"
            + ("; `videoseg export` writes other formats of a live result" if formats else "")
        )
    if not is_live_source(video):
        raise click.UsageError(
            f"{printable(video)!r} is not a live source; give the number of a camera, such as 0, "
            "or an address that begins with http, https or rtsp, or leave out --live"
        )


def _hint_at_live(video: str) -> None:
    """Refuse the name of a live source without ``--live``.

    Raises:
        click.UsageError: If it is one, and no file has that name.
    """
    from videoseg.video.live import is_live_source

    if is_live_source(video) and not os.path.lexists(video):
        place = f"camera {video}" if "://" not in video else "a stream"
        raise click.UsageError(
            f"there is no file {printable(video)!r}; to watch {place}, add --live"
            + ("; to ask about a file on a server, download it first" if "://" in video else "")
        )


def _check_exports(formats: Sequence[str], folder: Path) -> None:
    from videoseg.cli.output_folder import check_path_length
    from videoseg.results import check_format

    for name in formats:
        check_format(name)
        check_path_length(_export_folder(folder, name))


def _export(
    result: Segmentation, formats: Sequence[str], folder: Path, *, overwrite: bool
) -> dict[str, Path]:
    from videoseg.results import export

    return {
        name: export(
            result,
            _export_folder(folder, name),
            format=cast("ExportFormat", name),
            overwrite=overwrite,
        )
        for name in formats
    }


def _export_folder(folder: Path, name: str) -> Path:
    return folder / EXPORTS / name
