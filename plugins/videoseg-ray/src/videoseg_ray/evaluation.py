"""Evaluations on a Ray cluster, with the files of ``videoseg eval``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videoseg.benchmarks import BenchmarkSplit
from videoseg.evaluation import EvaluationReport, Progress, Shard
from videoseg_ray.actors import Actors
from videoseg_ray.executor import RayExecutor

if TYPE_CHECKING:
    from videoseg.benchmarks import SubmissionFormat
    from videoseg.pipeline import Pipeline, PipelineConfig

__all__ = ["evaluate"]


def evaluate(
    split: BenchmarkSplit,
    pipeline: Pipeline | PipelineConfig | str,
    out: str | Path,
    *,
    num_actors: int | None = None,
    cpus_per_actor: float = 1,
    gpus_per_actor: float = 0,
    retries: int = 1,
    address: str | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    shard: Shard | None = None,
    limit: int | None = None,
    only: Sequence[str] = (),
    seed: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    command: str = "",
    root: str | Path = "",
    submission: SubmissionFormat | None = None,
    always_submit: bool = False,
) -> EvaluationReport:
    """Run a pipeline over a split on a pool of actors, score it and write a report.

    Records, report, resuming and shards are those of ``videoseg.evaluation.evaluate``: either
    resumes what the other began. Only this process writes to the folder; every machine must
    find the videos under the paths of the split.

    Args:
        split: The samples, from ``open_benchmark``.
        pipeline: A pipeline, its configuration, or its name; it must not hold instances.
        out: The folder for records and report.
        num_actors: How many actors; by default as many as fit.
        cpus_per_actor: CPUs reserved for each.
        gpus_per_actor: GPUs reserved for each; with 0.5 two share one.
        retries: How often a sample whose actor died is run again before it counts as failed.
        address: The cluster; by default the one that is connected, or ``RAY_ADDRESS``, or
            this machine.
        resume: Continue the run in the folder, if there is one.
        retry_failed: With ``resume``, run failed samples again.
        shard: Run only this part.
        only: Run only the samples of these ids, or of the videos of these ids.
        limit: Run only this many samples, the first of the split.
        seed: The seed of every sample.
        on_progress: Called at the start and after every sample.
        command: The command line, for the report.
        root: The folder of the benchmark, for the report.
        submission: The format of the benchmark's server.
        always_submit: Whether the zip is written also if the ground truth is public.

    Raises:
        OutputError: If the folder holds another run, or cannot be written.
        ConfigError: If an argument is out of range, the pipeline holds instances, or the
            cluster does not answer or cannot hold an actor.
        MissingDependencyError: If Ray is not installed.
        EvaluationError: If the actors cannot work.
        VideosegError: If a requirement of every sample is missing.
    """
    from videoseg.evaluation import evaluate as evaluate_here

    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    with RayExecutor(actors, address=address) as executor:
        return evaluate_here(
            split,
            pipeline,
            out,
            resume=resume,
            retry_failed=retry_failed,
            shard=shard,
            limit=limit,
            only=only,
            executor=executor,
            seed=seed,
            on_progress=on_progress,
            command=command,
            root=root,
            submission=submission,
            always_submit=always_submit,
        )
