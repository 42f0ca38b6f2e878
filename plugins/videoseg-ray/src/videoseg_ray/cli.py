"""``videoseg-ray``: the commands of this plug-in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from videoseg.cli.eval import evaluate_benchmark
from videoseg.cli.framework import VideosegCommand, VideosegGroup
from videoseg.cli.terminal import json_option

__all__ = ["main", "videoseg_ray"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_REPLACED = ("workers", "debug")


def _pool_options(command: _Command) -> _Command:
    """Add the options that say what the pool of actors is."""
    for option in reversed(_POOL_OPTIONS):
        command = option(command)
    return command


_POOL_OPTIONS = (
    click.option(
        "--num-actors",
        type=click.IntRange(min=1),
        help="Actors that each hold one pipeline; by default as many as there is room for.",
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
        help="How often to try again what an actor died of.",
    ),
    click.option("--address", help="The cluster, such as auto; by default this machine."),
)


@click.group(
    "videoseg-ray",
    cls=VideosegGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(package_name="videoseg-ray", prog_name="videoseg-ray")
def videoseg_ray() -> None:
    """Ask many videos on many processors, machines and GPUs, with Ray."""


@videoseg_ray.command(
    "eval",
    cls=VideosegCommand,
    params=[
        parameter for parameter in evaluate_benchmark.params if parameter.name not in _REPLACED
    ],
    examples="""
    videoseg-ray eval mevis --root data/mevis -o out/mevis
    videoseg-ray eval mevis --root data/mevis -o out/mevis --resume
    videoseg-ray eval revos --root /shared/revos -o /shared/out --address auto --gpus-per-actor 1
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
    **asked: Any,
) -> None:
    """Run a pipeline over BENCHMARK on a pool of actors.

    As `videoseg eval` does, with the same files: either goes on with what the other began.
    """
    from videoseg_ray.actors import Actors
    from videoseg_ray.evaluation import RayExecutor

    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    with RayExecutor(actors, address=address) as executor:
        run = evaluate_benchmark.callback
        assert run is not None  # it is a command made of a function
        run(workers=0, executor=executor, **asked)


@videoseg_ray.command(
    "segment",
    cls=VideosegCommand,
    examples="""
    videoseg-ray segment clips/ "the dog that jumps" -o out/dogs
    videoseg-ray segment asked.jsonl -o out/asked --resume
    videoseg-ray segment asked.csv -o /shared/out --address auto --gpus-per-actor 1
    """,
)
@click.argument("source", type=Path)
@click.argument("query", required=False)
@click.option("-o", "--output", type=Path, required=True, help="The folder of this batch.")
@click.option(
    "--pipeline",
    default="attributes",
    show_default=True,
    help="A pipeline's name or a YAML file.",
)
@click.option(
    "-O",
    "options",
    multiple=True,
    metavar="STAGE.OPTION=VALUE",
    help="Set an option of a stage; may be repeated.",
)
@click.option("--max-turns", type=click.IntRange(min=1), help="How many moves the grounder has.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same result.")
@click.option(
    "--only",
    metavar="PARTS",
    help="Save only some of masks,overlay,report (result.json always is).",
)
@click.option("--resume", is_flag=True, help="Go on with the batch that is in the folder.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed items again.")
@_pool_options
@json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def segment(
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
    """Ask all videos of SOURCE; save one result folder for each.

    SOURCE is a folder of videos, and QUERY what to ask each of them; or a manifest (.jsonl,
    .csv) with the fields video, query, and if wanted id and seed.
    """
    from videoseg.cli.eval_progress import EvaluationProgress
    from videoseg.cli.pipeline_options import checked_pipeline, parse_options
    from videoseg.cli.terminal import write_json
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
        click.echo(
            f"{outcome.done} of {outcome.total} done, {len(outcome.failures)} failed; results "
            f"are in {outcome.folder / 'results'}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    from videoseg.cli.program import run_program

    return run_program(sys.argv[1:] if arguments is None else arguments, videoseg_ray)
