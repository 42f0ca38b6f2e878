"""``videoseg ray eval`` and ``videoseg ray run``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from videoseg.cli import (
    PATH,
    VideosegCommand,
    VideosegGroup,
    evaluate_benchmark,
    json_option,
    print_line,
)

__all__ = ["evaluate", "ray", "run"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_REPLACED = ("workers", "debug")


def _pool_options(command: _Command) -> _Command:
    """Add the options of the pool of actors."""
    for option in reversed(_POOL_OPTIONS):
        command = option(command)
    return command


_POOL_OPTIONS = (
    click.option(
        "--num-actors",
        type=click.IntRange(min=1),
        help="Actors that each hold one pipeline; by default as many as fit.",
    ),
    click.option(
        "--cpus-per-actor", type=float, default=1, show_default=True, help="CPUs for each."
    ),
    click.option(
        "--gpus-per-actor",
        type=float,
        default=0,
        show_default=True,
        help="GPUs for each; with 0.5 two share one.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        help="How often to retry a sample whose actor died.",
    ),
    click.option("--address", help="The cluster, such as auto; by default this machine."),
)


@click.group("ray", cls=VideosegGroup)
def ray() -> None:
    """Evaluate and run pipelines on many processors, machines and GPUs, with Ray."""


@ray.command(
    "eval",
    cls=VideosegCommand,
    params=[
        parameter for parameter in evaluate_benchmark.params if parameter.name not in _REPLACED
    ],
    examples="""
    videoseg ray eval mevis --root data/mevis -o out/mevis
    videoseg ray eval mevis --root data/mevis -o out/mevis --resume
    videoseg ray eval revos --root /shared/revos -o /shared/out --address auto --gpus-per-actor 1
    """,
)
@_pool_options
def evaluate(
    *,
    num_actors: int | None,
    cpus_per_actor: float,
    gpus_per_actor: float,
    retries: int,
    address: str | None,
    **options: Any,
) -> None:
    """Run a pipeline over BENCHMARK on a pool of actors.

    Writes the same files as `videoseg eval`: either resumes what the other began.
    """
    from videoseg_ray.actors import Actors
    from videoseg_ray.evaluation import RayExecutor

    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    with RayExecutor(actors, address=address) as executor:
        click.get_current_context().invoke(
            evaluate_benchmark, workers=0, executor=executor, **options
        )


@ray.command(
    "run",
    cls=VideosegCommand,
    examples="""
    videoseg ray run clips/ "the dog that jumps" -o out/dogs
    videoseg ray run asked.jsonl -o out/asked --resume
    videoseg ray run asked.csv -o /shared/out --address auto --gpus-per-actor 1
    """,
)
@click.argument("source", type=PATH)
@click.argument("query", required=False)
@click.option("-o", "--output", type=PATH, required=True, help="The folder of this batch.")
@click.option(
    "--pipeline",
    default="attributes",
    show_default=True,
    help="Name of a pipeline, or a YAML file.",
)
@click.option(
    "-O",
    "options",
    multiple=True,
    metavar="STAGE.OPTION=VALUE",
    help="Set an option of a stage. Can be repeated.",
)
@click.option("--max-turns", type=click.IntRange(min=1), help="Maximum number of turns.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--only",
    metavar="PARTS",
    help="Save only these of masks,overlay,report, beside result.json.",
)
@click.option("--resume", is_flag=True, help="Continue the batch in the folder.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed items again.")
@_pool_options
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def run(
    *,
    source: Path,
    query: str | None,
    output: Path,
    pipeline: str,
    options: tuple[str, ...],
    max_turns: int | None,
    seed: int,
    only: str | None,
    resume: bool,
    retry_failed: bool,
    as_json: bool,
    quiet: bool,
    **pool: Any,
) -> None:
    """Ask a question about each video of SOURCE; save one result folder for each.

    SOURCE is a folder of videos, all of which are asked QUERY; or a manifest (.jsonl, .csv)
    with the fields video and query, and optionally id and seed.
    """
    from videoseg.cli import EvaluationProgress, checked_pipeline, parse_options, write_json
    from videoseg_ray.batch import segment_videos

    if retry_failed and not resume:
        raise click.UsageError("--retry-failed goes with --resume")
    pipe = checked_pipeline(
        pipeline, stages={}, options=parse_options(options), max_turns=max_turns
    )
    parts = None if only is None else [part.strip() for part in only.split(",") if part.strip()]
    with pipe, EvaluationProgress(quiet=quiet) as progress:
        outcome = segment_videos(
            source,
            query,
            output,
            pipeline=pipe,
            parts=parts,
            seed=seed,
            resume=resume,
            retry_failed=retry_failed,
            on_progress=progress,
            **pool,
        )
    if as_json:
        failed = [
            {"id": record.sample, "error": record.error and record.error.message}
            for record in outcome.failures
        ]
        write_json(
            {
                "folder": str(outcome.folder),
                "total": outcome.total,
                "done": outcome.done,
                "failed": failed,
            }
        )
    elif not quiet:
        print_line(
            f"{outcome.done} of {outcome.total} done, {len(outcome.failures)} failed; results "
            f"are in {outcome.folder / 'results'}"
        )
