"""``videoseg ray eval`` and ``videoseg ray batch``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from videoseg.cli import VideosegCommand, VideosegGroup, evaluate_benchmark, segment_batch

__all__ = ["batch", "evaluate", "ray"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_REPLACED = ("workers", "verbose", "debug")


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
        help="How often to retry a video or sample whose actor died.",
    ),
    click.option("--address", help="The cluster, such as auto; by default this machine."),
)


@click.group("ray", cls=VideosegGroup)
def ray() -> None:
    """Run pipelines over benchmarks and videos on many processors, machines and GPUs, with Ray."""


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
) -> int:
    """Run a pipeline over BENCHMARK on a pool of actors.

    Writes the same files as `videoseg eval`: either resumes what the other began.
    """
    from videoseg_ray.actors import Actors
    from videoseg_ray.executor import RayExecutor
    from videoseg_ray.standard_error import false_alarms_dropped

    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    with false_alarms_dropped(), RayExecutor(actors, address=address) as executor:
        status = click.get_current_context().invoke(
            evaluate_benchmark, workers=0, executor=executor, **options
        )
    return int(status)


@ray.command(
    "batch",
    cls=VideosegCommand,
    params=[parameter for parameter in segment_batch.params if parameter.name not in _REPLACED],
    examples="""
    videoseg ray batch clips/ "the dog that jumps" -o out/dogs
    videoseg ray batch clips/ "the dog" -o out/dogs --export coco --frames
    videoseg ray batch asked.jsonl -o out/asked --resume
    videoseg ray batch asked.csv -o /shared/out --address auto --gpus-per-actor 1
    """,
)
@_pool_options
def batch(
    *,
    num_actors: int | None,
    cpus_per_actor: float,
    gpus_per_actor: float,
    retries: int,
    address: str | None,
    **options: Any,
) -> int:
    """Ask a question about each video of SOURCE on a pool of actors.

    Writes the same files as `videoseg batch`: either resumes what the other began.
    """
    from videoseg_ray.actors import Actors
    from videoseg_ray.executor import RayExecutor
    from videoseg_ray.standard_error import false_alarms_dropped

    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    with false_alarms_dropped(), RayExecutor(actors, address=address) as executor:
        status = click.get_current_context().invoke(
            segment_batch, workers=0, executor=executor, **options
        )
    return int(status)
