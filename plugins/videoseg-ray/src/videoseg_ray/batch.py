"""Plain inference over many videos: a result folder for each, and a record of all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation import (
    SETUP_ERRORS,
    Progress,
    ProgressCounter,
    Record,
    RecordedError,
    RecordFile,
    read_records,
)
from videoseg.files import expand_path, read_text, write_file
from videoseg.results import PARTS
from videoseg.text import parse_json, well_formed
from videoseg_ray.actors import Actors
from videoseg_ray.items import VideoItem
from videoseg_ray.running import run_job
from videoseg_ray.session import ray_session
from videoseg_ray.sources import read_items

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline, PipelineConfig

__all__ = ["BatchOutcome", "segment_videos"]

_RUN, _RECORDS, _RESULTS, _RESULT = "batch.json", "records.jsonl", "results", "result.json"
_FORMAT = "videoseg-batch"


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch has left on the disk.

    Args:
        folder: The folder: ``results/<id>`` and ``records.jsonl``.
        total: Items asked for.
        done: Items that have a result.
        failures: The records of those that failed.
    """

    folder: Path
    total: int
    done: int
    failures: tuple[Record, ...]

    def result_folder(self, item_id: str) -> Path:
        """Return where the result of an item is; ``Segmentation.load`` reads it."""
        return self.folder / _RESULTS / item_id


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
    resume: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> BatchOutcome:
    """Ask many videos, on a pool of actors; write one result folder for each answer.

    Each result is written by the actor that made it, as ``result.save`` does, to
    ``<out>/results/<id>``. A line is added to ``<out>/records.jsonl`` as soon as it is there;
    items that fail have a line with their error. On a cluster, videos and ``out`` must be
    under the same path on every machine.

    Args:
        source: A folder of videos, a manifest (``read_manifest``), a video, or items.
        queries: What to ask each video of a folder: one sentence or several. None for a
            manifest and for items, which have their own.
        out: The folder of the batch.
        pipeline: A pipeline, its configuration, or its name; it must not hold instances.
        num_actors: How many actors; by default as many as there is room for.
        cpus_per_actor: CPUs set aside for each.
        gpus_per_actor: GPUs set aside for each; with 0.5 two share one.
        retries: How often an item whose actor died is run again before it counts as failed.
        address: The cluster; by default the one that is connected, or ``RAY_ADDRESS``, or
            this machine.
        parts: What is saved beside ``result.json``: of ``masks``, ``overlay``, ``report``; all
            by default.
        seed: The seed of items that have none of their own.
        resume: Go on with the batch that is in the folder, if one is; items may have been
            added since.
        retry_failed: With ``resume``, run failed items again.
        on_progress: Called at the start and after every item.

    Raises:
        ConfigError: If anything about the items, the pipeline or the actors is wrong; all
            problems of the items at once. Nothing has been run then.
        OutputError: If the folder holds another batch, or cannot be written.
        MissingDependencyError: If Ray or something every item needs is not installed.
        VideosegError: If something else is missing that every item needs.
    """
    actors = Actors(num_actors, cpus_per_actor, gpus_per_actor, retries)
    chosen = _checked_parts(parts)
    items = [
        item if item.seed is not None else replace(item, seed=seed)
        for item in read_items(source, queries)
    ]
    config = _config(pipeline)
    folder = expand_path(out).absolute()
    _begin(folder, config, resume=resume)
    with RecordFile(folder / _RECORDS) as file:
        known = _known(folder, items)
        before = {
            name: record.failed
            for name, record in known.items()
            if not (record.failed and retry_failed)
        }
        left = tuple(item for item in items if item.id not in before)
        counter = ProgressCounter(len(items), before, on_progress)
        counter.report()
        if left:
            job = _BatchJob(left, config, folder, chosen)
            _run(job, file, counter, actors=actors, address=address)
    return _outcome(folder, items)


@dataclass(frozen=True)
class _BatchJob:
    items: tuple[VideoItem, ...]
    config: PipelineConfig
    folder: Path
    parts: tuple[str, ...] | None

    def start(self) -> Callable[[int], Record]:
        from videoseg.pipeline import Pipeline

        pipe = Pipeline.from_config(self.config)
        return lambda number: self._segment(pipe, self.items[number])

    def failed(self, number: int, error: RecordedError) -> Record:
        item = self.items[number]
        return replace(_record_of(item), status="failed", error=error)

    def _segment(self, pipe: Pipeline, item: VideoItem) -> Record:
        from videoseg.video import Video

        begin = time.perf_counter()
        try:
            with Video.open(item.video) as video:
                result = pipe(video, item.query, seed=item.seed or 0)
                seconds = {**result.timings, "total": time.perf_counter() - begin}
                begin = time.perf_counter()
                # What is there was left behind by a run that was killed before it said so.
                place = self.folder / _RESULTS / item.id
                result.save(place, overwrite=True, parts=self.parts)
                seconds["saving"] = time.perf_counter() - begin
        except SETUP_ERRORS:
            raise
        except Exception as error:
            text = " ".join(str(error).split()) or "no message"
            seconds = {"total": time.perf_counter() - begin}
            return replace(
                _record_of(item),
                status="failed",
                error=RecordedError(type(error).__name__, text),
                timings=_rounded(seconds),
            )
        return replace(
            _record_of(item),
            size=result.video.size,
            num_frames=result.video.num_frames,
            num_objects=len(result.tracks),
            timings=_rounded(seconds),
            versions=dict(result.versions),
            device=result.device,
            warnings=result.warnings,
        )


def _run(
    job: _BatchJob,
    file: RecordFile,
    counter: ProgressCounter,
    *,
    actors: Actors,
    address: str | None,
) -> None:
    # Queries on one video stay together: its frames are in the machine's memory then.
    videos: dict[Path, list[int]] = {}
    for number, item in enumerate(job.items):
        videos.setdefault(item.video, []).append(number)
    with ray_session(address) as ray:
        num_actors = actors.num or actors.fitting(ray.nodes())
        actors.fitting(ray.nodes())
        records = run_job(ray, job, list(videos.values()), actors=actors, num_actors=num_actors)
        with closing(records):
            for record in records:
                seen = _seen_from_here(record, job.folder)
                file.append(seen)
                counter.add(seen)


def _seen_from_here(record: Record, folder: Path) -> Record:
    """Return the record, a failed one if its result is on a disk that only the actor sees."""
    if record.failed or (folder / _RESULTS / record.sample / _RESULT).exists():
        return record
    error = RecordedError(
        "OutputError",
        f"the result was written on another machine and is not in {folder} here; choose a folder "
        "that all machines share",
    )
    return replace(record, status="failed", error=error)


def _record_of(item: VideoItem) -> Record:
    video, query = well_formed(str(item.video)), well_formed(item.query)
    return Record(item.id, video, "", query, seed=item.seed or 0)


def _begin(folder: Path, config: PipelineConfig, *, resume: bool) -> None:
    """Check that the folder is free, or holds a batch of the same pipeline."""
    path = folder / _RUN
    document = {"format": _FORMAT, "schema": 1, "pipeline": config.to_dict()}
    # What was read from JSON is compared with what was written to it.
    document = parse_json(json.dumps(document, default=str))
    # Unlike exists(), this does not stumble over names that no file system can have.
    if os.path.lexists(path):
        try:
            there = parse_json(read_text(path))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{path} cannot be read: {reason}; choose another folder") from error
        if not resume:
            raise OutputError(
                f"{folder} already holds a batch; go on with it by --resume (resume=True), or "
                "choose another folder"
            )
        if there != document:
            raise OutputError(
                f"{folder} holds a batch of another pipeline ({path} names it); choose another "
                "folder, or run what was run there"
            )
        return
    if any(os.path.lexists(folder / name) for name in (_RECORDS, "run.json")):
        raise OutputError(f"{folder} holds something else than a batch; choose another folder")
    write_file(path, well_formed(json.dumps(document, ensure_ascii=False, indent=1)) + "\n")


def _known(folder: Path, items: Sequence[VideoItem]) -> dict[str, Record]:
    """Return the records of items that are done, the last one of each.

    Raises:
        OutputError: If an item asks something else now.
    """
    known = {record.sample: record for record in read_records(folder / _RECORDS, problems=[])}
    found: dict[str, Record] = {}
    changed = []
    for item in items:
        record = known.get(item.id)
        if record is None:
            continue
        now = _record_of(item)
        if (record.video_id, record.query, record.seed) != (now.video_id, now.query, now.seed):
            changed.append(item.id)
        # A result that was taken away since is made again.
        elif record.failed or (folder / _RESULTS / item.id / _RESULT).exists():
            found[item.id] = record
    if changed:
        shown = ", ".join(changed[:5]) + (" ..." if len(changed) > 5 else "")
        raise OutputError(
            f"{len(changed)} items in {folder} had another video, query or seed ({shown}); give "
            "what is asked now another id, or choose another folder"
        )
    return found


def _outcome(folder: Path, items: Sequence[VideoItem]) -> BatchOutcome:
    known = _known(folder, items)
    failures = tuple(record for record in known.values() if record.failed)
    return BatchOutcome(folder, len(items), len(known) - len(failures), failures)


def _config(pipeline: Pipeline | PipelineConfig | str) -> PipelineConfig:
    from videoseg.pipeline import Pipeline, PipelineConfig

    if isinstance(pipeline, str):
        return Pipeline.from_name(pipeline).config
    # Building it checks that names are known and stages fit together.
    if isinstance(pipeline, PipelineConfig):
        return Pipeline.from_config(pipeline).config
    return pipeline.config


def _checked_parts(parts: Sequence[str] | None) -> tuple[str, ...] | None:
    if parts is None:
        return None
    unknown = [part for part in parts if part not in PARTS]
    if isinstance(parts, str) or unknown:
        raise ConfigError(f"parts must be some of {', '.join(PARTS)}, got {parts!r}")
    return tuple(parts)


def _rounded(seconds: dict[str, float]) -> dict[str, Any]:
    return {name: round(value, 6) for name, value in seconds.items()}
