"""Inference over many videos: a result folder for each, and one file of records."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from videoseg.batch.items import VideoItem, read_items
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation import (
    SETUP_ERRORS,
    JobExecutor,
    Progress,
    ProgressCounter,
    Record,
    RecordedError,
    RecordFile,
    WorkerPool,
    read_records,
)
from videoseg.files import expand_path, read_text, write_file
from videoseg.results import PARTS
from videoseg.text import format_count, parse_json, shorten, well_formed
from videoseg.types.scalars import whole_number

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline, PipelineConfig
    from videoseg.video.part import Place

__all__ = ["BatchJob", "BatchOutcome", "segment_videos"]

_RUN, _RECORDS, _RESULTS, _RESULT = "batch.json", "records.jsonl", "results", "result.json"
_FORMAT = "videoseg-batch"


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The state of a batch on disk.

    Args:
        folder: The folder: ``results/<id>`` and ``records.jsonl``.
        total: How many items the batch has.
        done: How many have a result.
        failures: The records of the items that failed.
        done_ids: The ids of the items that have a result, in the order of the batch.
        warnings: What the user should know about results: each warning with the ids of the
            items that it is about.
    """

    folder: Path
    total: int
    done: int
    failures: tuple[Record, ...]
    done_ids: tuple[str, ...] = ()
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def result_folder(self, item_id: str) -> Path:
        """Return the folder of an item's result, for ``Segmentation.load``."""
        return self.folder / _RESULTS / item_id


def segment_videos(
    source: str | Path | Iterable[VideoItem],
    queries: str | Sequence[str] | None,
    out: str | Path,
    *,
    pipeline: Pipeline | PipelineConfig | str = "attributes",
    workers: int = 0,
    executor: JobExecutor | None = None,
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
    """Ask questions about many videos; write a result folder for each.

    A result is saved to ``<out>/results/<id>``, as ``result.save`` does. Then a line is added to
    ``<out>/records.jsonl``; for an item that failed, the line has the error, and the others go
    on. On a cluster, every machine must see videos and ``out`` under the same path.

    Args:
        source: A folder of videos, a manifest (``read_manifest``), a video, or items.
        queries: One query or several for each video of a folder. None for a manifest and for
            items, which have queries of their own.
        out: The folder of the batch.
        pipeline: A pipeline, its configuration, or its name; it must not hold instances.
        workers: Number of processes with one pipeline each; 0 runs in this process. If an item
            crashes its process, only that item fails.
        executor: Does the work somewhere else, such as on a cluster; instead of ``workers``.
        parts: What is saved beside ``result.json``: some of ``masks``, ``overlay`` and
            ``report``; all by default.
        seed: The seed of items that have none of their own.
        start: Where to begin in each video, see ``Video.part``.
        end: Where to end.
        every: Look at every so many frames.
        max_side: Look at frames scaled down to this longer side.
        resume: Continue the batch in the folder, if there is one; items may have been added.
        retry_failed: With ``resume``, run failed items again.
        on_progress: Called at the start and after every item.

    Raises:
        ConfigError: If anything about the items or the pipeline is wrong; raised before
            anything runs, with all problems of the items.
        OutputError: If the folder holds another batch, or cannot be written.
        VideosegError: If something is missing that every item needs.
    """
    if workers < 0 or (workers and executor is not None):
        raise ConfigError(
            f"workers must be 0 or more, and 0 with an executor, got {shorten(workers)}"
        )
    chosen = _check_parts(parts)
    items = [
        item if item.seed is not None else replace(item, seed=seed)
        for item in read_items(source, queries)
    ]
    config = _read_config(pipeline)
    folder = expand_path(out).absolute()
    part = _part_of(start, end, every, max_side)
    _begin_batch(folder, config, part, resume=resume)
    with RecordFile(folder / _RECORDS) as file:
        known = _read_done(folder, items)
        before = {
            name: record.failed
            for name, record in known.items()
            if not (record.failed and retry_failed)
        }
        left = tuple(item for item in items if item.id not in before)
        counter = ProgressCounter(len(items), before, on_progress)
        counter.report()
        if left:
            job = BatchJob(left, config, folder, chosen, part)
            if workers:
                executor = WorkerPool(workers)
            done = _run_here(job, pipeline) if executor is None else executor.run(job, job.groups)
            with closing(cast("Generator[Record, None, None]", done)) as records:
                for record in records:
                    seen = _check_visible(record, folder)
                    file.append(seen)
                    counter.add(seen)
    return _read_outcome(folder, items)


@dataclass(frozen=True)
class BatchJob:
    """Items of a batch to run and save; a ``Job``.

    Args:
        items: The items, each with a seed.
        config: The pipeline that each process builds.
        folder: The folder of the batch.
        parts: What is saved beside ``result.json``; None for all.
        part: Arguments of ``Video.part``; empty for the whole of each video.
    """

    items: tuple[VideoItem, ...]
    config: PipelineConfig
    folder: Path
    parts: tuple[str, ...] | None
    part: Mapping[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> list[list[int]]:
        """The numbers of the items. Queries on one video stay together, as its file is cached."""
        videos: dict[Path, list[int]] = {}
        for number, item in enumerate(self.items):
            videos.setdefault(item.video, []).append(number)
        return list(videos.values())

    def start(self) -> Callable[[int], Record]:
        """Build the pipeline; return what runs and saves an item."""
        from videoseg.pipeline import Pipeline

        return self.with_pipeline(Pipeline.from_config(self.config))

    def with_pipeline(self, pipe: Pipeline) -> Callable[[int], Record]:
        """Return what runs and saves an item with a pipeline that exists."""
        return lambda number: self._segment(pipe, self.items[number])

    def make_failed(self, number: int, error: RecordedError) -> Record:
        """Return the record of an item whose process died."""
        item = self.items[number]
        return replace(_record_of(item), status="failed", error=error)

    def _segment(self, pipe: Pipeline, item: VideoItem) -> Record:
        from videoseg.video import Video

        begin = time.perf_counter()
        try:
            with Video.open(item.video) as video:
                asked = video.part(**self.part) if self.part else video
                result = pipe(asked, item.query, seed=item.seed or 0, progress=False)
                seconds = {**result.timings, "total": time.perf_counter() - begin}
                begin = time.perf_counter()
                # An earlier run may have been killed between saving and recording.
                place = self.folder / _RESULTS / item.id
                result.save(place, overwrite=True, parts=self.parts)
                seconds["saving"] = time.perf_counter() - begin
        except SETUP_ERRORS:
            raise
        except Exception as error:
            seconds = {"total": time.perf_counter() - begin}
            return replace(
                _record_of(item),
                status="failed",
                error=RecordedError.of(error),
                timings=_round_seconds(seconds),
            )
        return replace(
            _record_of(item),
            size=result.video.size,
            num_frames=result.video.num_frames,
            num_objects=len(result.tracks),
            timings=_round_seconds(seconds),
            versions=dict(result.versions),
            device=result.device,
            warnings=result.warnings,
        )


def _run_here(
    job: BatchJob, pipeline: Pipeline | PipelineConfig | str
) -> Generator[Record, None, None]:
    from videoseg.pipeline import Pipeline

    with ExitStack() as stack:
        if isinstance(pipeline, Pipeline):
            work = job.with_pipeline(pipeline)
        else:
            work = job.with_pipeline(stack.enter_context(Pipeline.from_config(job.config)))
        for group in job.groups:
            yield from map(work, group)


def _check_visible(record: Record, folder: Path) -> Record:
    """Return the record, as a failure if its result is on a disk that only the actor sees."""
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


def _part_of(
    start: Place | None, end: Place | None, every: int, max_side: int | None
) -> dict[str, Any]:
    """Return the arguments of ``Video.part`` that were given, checked as far as they can be.

    Raises:
        ConfigError: If one is of another form.
    """
    from videoseg.video.part import fitted_size, parse_place

    for name, place in (("start", start), ("end", end)):
        if place is not None:
            parse_place(place, name)
    fitted_size((1, 1), max_side)
    given = {
        "start": start,
        "end": end,
        "every": whole_number(every, "every", least=1),
        "max_side": max_side,
    }
    defaults = {"every": 1}
    return {name: value for name, value in given.items() if value != defaults.get(name)}


def _begin_batch(
    folder: Path, config: PipelineConfig, part: Mapping[str, Any], *, resume: bool
) -> None:
    """Check that the folder is free, or holds a batch of the same pipeline."""
    path = folder / _RUN
    document: Any = {"format": _FORMAT, "schema": 1, "pipeline": config.to_dict()}
    if part:
        document["part"] = dict(part)
    # Compared with a document that has been through JSON, too.
    document = parse_json(json.dumps(document, default=str))
    # Unlike Path.exists, this does not raise for impossible names.
    if os.path.lexists(path):
        try:
            there = parse_json(read_text(path))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{path} cannot be read: {reason}; choose another folder") from error
        if not resume:
            raise OutputError(
                f"{folder} already contains a batch; continue it with resume=True, or choose "
                "another folder"
            )
        if there != document:
            raise OutputError(
                f"{folder} contains a batch of another pipeline, or of another part of the videos "
                f"({path} names them); choose another folder, or use what is there"
            )
        return
    if any(os.path.lexists(folder / name) for name in (_RECORDS, "run.json")):
        raise OutputError(f"{folder} contains other files than a batch; choose another folder")
    write_file(path, well_formed(json.dumps(document, ensure_ascii=False, indent=1)) + "\n")


def _read_done(folder: Path, items: Sequence[VideoItem]) -> dict[str, Record]:
    """Return the records of items that are done, the last one of each.

    Raises:
        OutputError: If an item has another video, query or seed than its record.
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
        # A result that was deleted is computed again.
        elif record.failed or (folder / _RESULTS / item.id / _RESULT).exists():
            found[item.id] = record
    if changed:
        shown = ", ".join(changed[:5]) + (" ..." if len(changed) > 5 else "")
        raise OutputError(
            f"{format_count(len(changed), 'item')} in {folder} had another video, query or seed "
            f"({shown}); give the new items other ids, or choose another folder"
        )
    return found


def _read_outcome(folder: Path, items: Sequence[VideoItem]) -> BatchOutcome:
    known = _read_done(folder, items)
    failures = tuple(record for record in known.values() if record.failed)
    done = tuple(item.id for item in items if item.id in known and not known[item.id].failed)
    warnings: dict[str, tuple[str, ...]] = {}
    for item_id in done:
        for warning in known[item_id].warnings:
            warnings[warning] = (*warnings.get(warning, ()), item_id)
    return BatchOutcome(folder, len(items), len(done), failures, done, warnings)


def _read_config(pipeline: Pipeline | PipelineConfig | str) -> PipelineConfig:
    from videoseg.pipeline import Pipeline, PipelineConfig

    if isinstance(pipeline, str):
        return Pipeline.from_name(pipeline).config
    # Building the pipeline checks names, options and that stages fit together.
    if isinstance(pipeline, PipelineConfig):
        return Pipeline.from_config(pipeline).config
    return pipeline.config


def _check_parts(parts: Sequence[str] | None) -> tuple[str, ...] | None:
    if parts is None:
        return None
    unknown = [part for part in parts if part not in PARTS]
    if isinstance(parts, str) or unknown:
        raise ConfigError(f"parts must be some of {', '.join(PARTS)}, got {parts!r}")
    return tuple(parts)


def _round_seconds(seconds: dict[str, float]) -> dict[str, Any]:
    return {name: round(value, 6) for name, value in seconds.items()}
