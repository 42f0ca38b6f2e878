"""Questions about many videos on a Ray cluster, with the files of ``videoseg batch``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videoseg.batch import BatchOutcome, VideoItem
from videoseg.evaluation import Progress
from videoseg_ray.actors import Actors
from videoseg_ray.executor import RayExecutor

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline, PipelineConfig
    from videoseg.video import Place

__all__ = ["segment_videos"]


def segment_videos(
    source: str | Path | Iterable[VideoItem],
    queries: str | Sequence[str] | None,
    out: str | Path,
    *,
    pipeline: Pipeline | PipelineConfig | str = "attributes",
    num_actors: int | None = None,
    cpus_per_actor: float = 1,
    gpus_per_actor: float = 0,
    retries: int = 1,
    address: str | None = None,
    parts: Sequence[str] | None = None,
    seed: int = 0,
    start: Place | None = None,
    end: Place | None = None,
    every: int = 1,
    max_side: int | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> BatchOutcome:
    """Ask questions about many videos on a pool of actors; write a result folder for each.

    This is ``videoseg.batch.segment_videos``, which describes the other arguments; either
    resumes what the other began. The actor that computed a result saves it: on a cluster, every
    machine must see videos and ``out`` under the same path.

    Args:
        source: A folder of videos, a manifest, a video, or items.
        queries: One query or several for each video of a folder; None for the others.
        out: The folder of the batch.
        pipeline: A pipeline, its configuration, or its name; it must not hold instances.
        num_actors: How many actors; by default as many as fit.
        cpus_per_actor: CPUs reserved for each.
        gpus_per_actor: GPUs reserved for each; with 0.5 two share one.
        retries: How often an item whose actor died is run again before it counts as failed.
        address: The cluster; by default the one that is connected, or ``RAY_ADDRESS``, or
            this machine.
        parts: What is saved beside ``result.json``.
        seed: The seed of items that have none of their own.
        start: Where to begin in each video, see ``Video.part``; with ``end``, ``every`` and
            ``max_side``.
        end: Where to end.
        every: Look at every so many frames.
        max_side: Look at frames scaled down to this longer side.
        resume: Continue the batch in the folder.
        retry_failed: With ``resume``, run failed items again.
        on_progress: Called at the start and after every item.

    Raises:
        ConfigError: If anything about the items, the pipeline or the actors is wrong; raised
            before anything runs, with all problems of the items.
        OutputError: If the folder holds another batch, or cannot be written.
        MissingDependencyError: If Ray or a requirement of every item is not installed.
        VideosegError: If another requirement of every item is missing.
    """
    from videoseg.batch import segment_videos as segment_videos_with

    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    with RayExecutor(actors, address=address) as executor:
        return segment_videos_with(
            source,
            queries,
            out,
            pipeline=pipeline,
            executor=executor,
            parts=parts,
            seed=seed,
            start=start,
            end=end,
            every=every,
            max_side=max_side,
            resume=resume,
            retry_failed=retry_failed,
            on_progress=on_progress,
        )
