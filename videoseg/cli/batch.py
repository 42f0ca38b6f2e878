"""``videoseg batch``: ask questions about many videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.options import FORMATS, complete_formats, parts_option, pipeline_options
from videoseg.cli.terminal import json_option, print_line, working, write_json
from videoseg.cli.video_options import part_options
from videoseg.text import format_count, printable, shorten_text

if TYPE_CHECKING:
    from videoseg.batch import BatchOutcome
    from videoseg.evaluation import JobExecutor
    from videoseg.results import ExportFormat

__all__ = ["segment_batch"]

# Many videos have many warnings of their own; the first ones show of which kind they are.
_MOST_WARNINGS = 10


@click.command(
    "batch",
    cls=VideosegCommand,
    examples="""
    videoseg batch clips/ "the dog that jumps" -o out/dogs
    videoseg batch asked.jsonl -o out/asked --workers 2 --resume
    videoseg batch clips/ "the dog" -o out/dogs --export coco --frames
    """,
)
@click.argument("source", type=PATH)
@click.argument("query", required=False)
@click.option("-o", "--output", type=PATH, required=True, help="The folder of this batch.")
@part_options
@pipeline_options
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--export",
    "formats",
    multiple=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help=f"At the end, export all results to one folder, OUTPUT/FORMAT: {', '.join(FORMATS)}. "
    "Can be repeated.",
)
@click.option("--frames", is_flag=True, help="With coco: write the frames too.")
@parts_option
@click.option("--resume", is_flag=True, help="Continue the batch in the folder.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed videos again.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Worker processes, each with one pipeline; 0 runs in this process.",
)
@json_option
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Show no progress and no summary; warnings go to standard error.",
)
def segment_batch(
    *,
    source: Path,
    query: str | None,
    output: Path,
    start: str | None,
    end: str | None,
    every: int,
    max_side: int | None,
    pipeline: str,
    device: str | None,
    options: tuple[str, ...],
    max_turns: int | None,
    seed: int,
    formats: tuple[str, ...],
    frames: bool,
    parts: tuple[str, ...] | None,
    resume: bool,
    retry_failed: bool,
    workers: int,
    as_json: bool,
    quiet: bool,
    executor: JobExecutor | None = None,
    **stages: str | None,
) -> int:
    """Ask a question about each video of SOURCE; save one result folder for each.

    SOURCE is a folder of videos, all of which are asked QUERY; or a manifest (.jsonl, .csv)
    with the fields video and query, and optionally id and seed. A video that fails is recorded
    in records.jsonl, and the others go on. Exits with 1 if all of them failed.
    """
    from videoseg.batch import segment_videos
    from videoseg.cli.eval_progress import EvaluationProgress
    from videoseg.cli.options import checked_pipeline, parse_options
    from videoseg.results import check_format

    for name in formats:
        check_format(name)
    if frames and "coco" not in formats:
        raise click.UsageError("--frames goes with --export coco")
    if retry_failed and not resume:
        raise click.UsageError("--retry-failed goes with --resume")
    pipe = checked_pipeline(
        pipeline, stages=stages, options=parse_options(options), max_turns=max_turns, device=device
    )
    with pipe, EvaluationProgress(quiet=quiet, unit="videos") as progress:
        try:
            outcome = segment_videos(
                source,
                query,
                output,
                pipeline=pipe,
                workers=workers,
                executor=executor,
                parts=parts,
                seed=seed,
                start=start,
                end=end,
                every=every,
                max_side=max_side,
                resume=resume,
                retry_failed=retry_failed,
                on_progress=progress,
            )
        except (KeyboardInterrupt, SystemExit):
            progress.close()
            if progress.latest is not None:
                hint = (
                    f"\n{progress.latest.done} of {progress.latest.total} videos are recorded in "
                    f"{output}; add --resume to the command to continue"
                )
                click.echo(printable(hint, keep="\n"), err=True)
            raise
    exported = _export_all(outcome, formats, frames=frames, quiet=quiet)
    if as_json:
        write_json({**_document(outcome), "exported": exported})
    elif not quiet:
        print_line(
            f"{outcome.done} of {outcome.total} done, {len(outcome.failures)} failed; results "
            f"are in {outcome.folder / 'results'}"
        )
        for name, path in exported.items():
            print_line(f"exported as {name}: {path}")
    for warning, ids in list(outcome.warnings.items())[:_MOST_WARNINGS]:
        click.echo(printable(f"warning: {warning} ({_describe_ids(ids)})"), err=True)
    if (more := len(outcome.warnings) - _MOST_WARNINGS) > 0:
        click.echo(f"and {more:,} more warnings, see the records or --json", err=True)
    return int(outcome.total == len(outcome.failures))


def _describe_ids(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
    return f"{format_count(len(ids), 'video')}: {shorten_text(shown, 200)}"


def _export_all(
    outcome: BatchOutcome, formats: Sequence[str], *, frames: bool, quiet: bool
) -> dict[str, str]:
    """Export every result that there is; return the folder of each format."""
    from videoseg.progress import track
    from videoseg.results import Segmentation, export_all

    places = {}
    for name in formats:
        places[name] = str(outcome.folder / name)
        with working(f"exporting as {name}", quiet=quiet):
            export_all(
                (
                    (item_id, Segmentation.load(outcome.result_folder(item_id)))
                    for item_id in track(outcome.done_ids, "videos")
                ),
                outcome.folder / name,
                format=cast("ExportFormat", name),
                frames=frames and name == "coco",
                # A batch that is continued exports its earlier results again.
                overwrite=True,
            )
    return places


def _document(outcome: BatchOutcome) -> dict[str, object]:
    return {
        "folder": str(outcome.folder),
        "total": outcome.total,
        "done": outcome.done,
        "failed": [
            {"id": record.sample, "error": record.error and record.error.message}
            for record in outcome.failures
        ],
        "warnings": [
            {"warning": warning, "ids": list(ids)} for warning, ids in outcome.warnings.items()
        ],
    }
