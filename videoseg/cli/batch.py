"""``videoseg batch``: ask questions about many videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.options import parts_option, pipeline_options
from videoseg.cli.terminal import json_option, print_line, write_json
from videoseg.text import printable

if TYPE_CHECKING:
    from videoseg.batch import BatchOutcome
    from videoseg.evaluation import JobExecutor

__all__ = ["batch"]


@click.command(
    "batch",
    cls=VideosegCommand,
    examples="""
    videoseg batch clips/ "the dog that jumps" -o out/dogs
    videoseg batch asked.jsonl -o out/asked --workers 2 --resume
    videoseg export out/dogs/results/* --format coco -o labels
    """,
)
@click.argument("source", type=PATH)
@click.argument("query", required=False)
@click.option("-o", "--output", type=PATH, required=True, help="The folder of this batch.")
@pipeline_options
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@parts_option
@click.option("--resume", is_flag=True, help="Continue the batch in the folder.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed items again.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Worker processes, each with one pipeline; 0 runs in this process.",
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def batch(
    *,
    source: Path,
    query: str | None,
    output: Path,
    pipeline: str,
    options: tuple[str, ...],
    max_turns: int | None,
    seed: int,
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

    if retry_failed and not resume:
        raise click.UsageError("--retry-failed goes with --resume")
    pipe = checked_pipeline(
        pipeline, stages=stages, options=parse_options(options), max_turns=max_turns
    )
    with pipe, EvaluationProgress(items="items", quiet=quiet) as progress:
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
                resume=resume,
                retry_failed=retry_failed,
                on_progress=progress,
            )
        except (KeyboardInterrupt, SystemExit):
            progress.close()
            if progress.latest is not None:
                hint = (
                    f"\n{progress.latest.done} results are saved in {output}; add --resume to the "
                    "command to continue"
                )
                click.echo(printable(hint, keep="\n"), err=True)
            raise
    if as_json:
        write_json(_document(outcome))
    elif not quiet:
        print_line(
            f"{outcome.done} of {outcome.total} done, {len(outcome.failures)} failed; results "
            f"are in {outcome.folder / 'results'}"
        )
    return int(outcome.total == len(outcome.failures))


def _document(outcome: BatchOutcome) -> dict[str, object]:
    return {
        "folder": str(outcome.folder),
        "total": outcome.total,
        "done": outcome.done,
        "failed": [
            {"id": record.sample, "error": record.error and record.error.message}
            for record in outcome.failures
        ],
    }
