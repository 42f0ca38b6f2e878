"""``videoseg run``: ask a video a question."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.pipeline_options import pipeline_options
from videoseg.cli.terminal import json_option
from videoseg.errors import OutputError

if TYPE_CHECKING:
    from videoseg.cli.checkpoint import Checkpoint
    from videoseg.pipeline import Pipeline
    from videoseg.results import ExportFormat, Segmentation
    from videoseg.types import Grounding, Trace
    from videoseg.video import Video

__all__ = ["run"]

_PARTS = ("masks", "overlay", "report")
# Repeated here so that --help does not import videoseg.results; a test compares them.
_FORMATS = ("png", "coco", "davis", "youtube-vos")


def _read_parts(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    for part in parts:
        if part not in _PARTS:
            raise click.BadParameter(f"there is no part {part!r}; choose from {', '.join(_PARTS)}")
    return parts


def _read_query(context: click.Context, _parameter: click.Parameter, value: str) -> str:
    video = context.params["video"]
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
    videoseg run dog.mp4 "the dog" --sampler uniform -O sampler.num_frames=16
    videoseg run dog.mp4 "the dog" --json --quiet | jq .found
    """,
)
@click.argument("video")
@click.argument("query", callback=_read_query)
@click.option("-o", "--output", type=PATH, help="Output folder. Default: videoseg-out/<name>.")
@pipeline_options
@click.option("--reader", default="auto", show_default=True, metavar="NAME", help="Video reader.")
@click.option("--seed", type=int, show_default="0", help="Random seed.")
@click.option("--overwrite", is_flag=True, help="Replace an existing result.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run into the same -o.",
)
@click.option(
    "--export",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help=f"Also export: {', '.join(_FORMATS)}. Can be repeated.",
)
@click.option(
    "--only",
    "parts",
    callback=_read_parts,
    metavar="PARTS",
    help=f"Save only these of {','.join(_PARTS)}, beside result.json.",
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def run(
    *,
    video: str,
    query: str,
    output: Path | None,
    pipeline: str,
    options: tuple[str, ...],
    max_turns: int | None,
    reader: str,
    seed: int | None,
    overwrite: bool,
    resume: bool,
    formats: tuple[str, ...],
    parts: tuple[str, ...] | None,
    as_json: bool,
    quiet: bool,
    **stages: str | None,
) -> None:
    """Ask VIDEO a question; save masks for every frame and the reasoning.

    VIDEO is a video file, a folder of pictures or one picture. All options are checked
    before the run starts.
    """
    from videoseg.cli.answer import answer_document, print_answer
    from videoseg.cli.checkpoint import Checkpoint
    from videoseg.cli.output_folder import check_output_folder, default_output_folder
    from videoseg.cli.pipeline_options import checked_pipeline, parse_options
    from videoseg.cli.terminal import open_console, working, write_json
    from videoseg.pipeline.query import check_query

    stage_options = parse_options(options)
    query = check_query(query)
    if resume and output is None:
        raise click.UsageError("--resume needs the -o of the interrupted run")
    pipe = checked_pipeline(pipeline, stages=stages, options=stage_options, max_turns=max_turns)

    from videoseg.video import Video

    with Video.open(video, reader=reader) as opened, pipe:
        folder = output or default_output_folder(opened.name)
        check_output_folder(folder, overwrite=overwrite)
        _check_exports(formats, folder, overwrite=overwrite)
        checkpoint = Checkpoint(
            folder, query=query, video=opened, pipeline=pipe.config.to_dict(), seed=seed
        )
        answer = None
        if resume:
            answer = checkpoint.resume()
        else:
            checkpoint.start(overwrite=overwrite)
        with checkpoint:
            result = _run_pipeline(
                pipe, opened, query, checkpoint, answer, quiet=quiet, resume=resume
            )
            checkpoint.result = result
            with working(f"saving to {folder}", quiet=quiet):
                result.save(folder, overwrite=overwrite, parts=parts)
        with working(f"exporting to {folder.parent}", quiet=quiet or not formats):
            exported = _export(result, formats, folder, overwrite=overwrite)
    if as_json:
        write_json(answer_document(result, folder, exported))
    elif not quiet:
        print_answer(open_console(), result, folder, exported)


def _run_pipeline(
    pipe: Pipeline,
    video: Video,
    query: str,
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
        if answer is not None:
            grounding, trace = answer
            return pipe.propagate(
                video,
                grounding,
                query=query,
                trace=trace,
                seed=checkpoint.seed,
                observers=observers,
            )
        recorded = stack.enter_context(pipe.recording(checkpoint.exchanges, resume=resume))
        return recorded(video, query, seed=checkpoint.seed, observers=observers)


def _check_exports(formats: Sequence[str], folder: Path, *, overwrite: bool) -> None:
    if not formats:
        return
    from videoseg.cli.output_folder import check_path_length
    from videoseg.results import check_format

    for name in formats:
        check_format(name)
        place = _export_folder(folder, name)
        check_path_length(place)
        if os.path.lexists(place) and not overwrite:
            raise OutputError(f"{place} exists; choose another -o or pass --overwrite")


def _export(
    result: Segmentation, formats: Sequence[str], folder: Path, *, overwrite: bool
) -> dict[str, Path]:
    exported: dict[str, Path] = {}
    for name in formats:
        from videoseg.results import export

        place = _export_folder(folder, name)
        format_name = cast("ExportFormat", name)
        exported[name] = export(result, place, format=format_name, overwrite=overwrite)
    return exported


def _export_folder(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}-{name}")
