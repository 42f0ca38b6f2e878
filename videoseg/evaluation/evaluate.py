"""Runs a pipeline over a benchmark, resumes interrupted runs, and writes the report."""

from __future__ import annotations

import contextlib
import difflib
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.benchmarks.submission import Masks, write_submission
from videoseg.benchmarks.types import (
    BenchmarkSplit,
    Sample,
    SubmissionFormat,
    left_out_of,
    notes_of,
)
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation.jobs import EvaluationJob, JobExecutor
from videoseg.evaluation.records import Record, RecordFile, read_records
from videoseg.evaluation.report.data import EvaluationReport
from videoseg.evaluation.report.write import load_report, records_of, write_report
from videoseg.evaluation.run import (
    RunFiles,
    RunIdentity,
    RunInfo,
    Shard,
    files_of_runs,
    new_session,
    read_run,
    write_run,
)
from videoseg.evaluation.sample import SampleRunner
from videoseg.evaluation.workers import WorkerPool
from videoseg.files import expand_path
from videoseg.text import shorten

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline, PipelineConfig

__all__ = [
    "Progress",
    "ProgressCounter",
    "evaluate",
    "write_outcome",
]

_SUBMISSION = "submission.zip"


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run.

    Args:
        done: Samples done, including those of earlier sessions.
        total: Samples to run.
        failed: How many of the done ones failed.
        seconds_left: Estimate for the remaining samples from the pace of this session; None
            before the first one is done.
        record: The last sample done in this session.
    """

    done: int
    total: int
    failed: int
    seconds_left: float | None = None
    record: Record | None = None


class ProgressCounter:
    """Counts samples and reports the progress of a run to a callback.

    Args:
        total: Samples to run.
        before: Samples done in earlier sessions, and whether they failed.
        on_progress: The callback; None for none.
    """

    def __init__(
        self,
        total: int,
        before: Mapping[str, bool],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._total = total
        self._already = self._done = len(before)
        self._failed = sum(before.values())
        self._on_progress = on_progress
        self._begin = time.monotonic()

    def report(self, record: Record | None = None) -> None:
        """Call the callback."""
        if self._on_progress is None:
            return
        here = self._done - self._already
        passed = time.monotonic() - self._begin
        left = passed / here * (self._total - self._done) if here else None
        self._on_progress(Progress(self._done, self._total, self._failed, left, record))

    def add(self, record: Record) -> None:
        """Count a record, and report it."""
        self._done += 1
        self._failed += record.failed
        self.report(record)


def evaluate(
    split: BenchmarkSplit,
    pipeline: Pipeline | PipelineConfig | str,
    out: str | Path,
    *,
    resume: bool = False,
    retry_failed: bool = False,
    shard: Shard | None = None,
    limit: int | None = None,
    only: Sequence[str] = (),
    workers: int = 0,
    executor: JobExecutor | None = None,
    seed: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    command: str = "",
    root: str | Path = "",
    submission: SubmissionFormat | None = None,
    always_submit: bool = False,
) -> EvaluationReport:
    """Run a pipeline over a split, score it and write a report.

    Every sample is written to disk as soon as it is done: however the run ends, ``resume``
    continues it. A sample that fails is recorded with its error and counts as zero; one whose
    ground truth cannot be read is not run and is left out of every mean.

    Args:
        split: What to run on, from ``open_benchmark``.
        pipeline: A pipeline, its configuration, or its name.
        out: The folder for records and report.
        resume: Continue the run in the folder, if there is one.
        retry_failed: With ``resume``, run failed samples again.
        shard: Run only this part; the report covers all parts found in the folder.
        limit: Run only this many samples, the first of the split.
        only: Run only the samples of these ids; the id of a video stands for all its samples.
        workers: Number of processes with one pipeline each; 0 runs in this process. If a sample
            crashes its process, only that sample fails.
        executor: Runs the samples somewhere else, such as on a cluster; instead of ``workers``.
        seed: The seed of every sample.
        on_progress: Called at the start and after every sample.
        command: The command line, for the report.
        root: Where the benchmark was read from, for the report.
        submission: The format of the benchmark's server. If the ground truth is not public and
            every sample is done, ``submission.zip`` is written; failed samples are empty in it.
        always_submit: Whether it is written also if the ground truth is public.

    Returns:
        The report, also written to ``report.html``, ``report.md`` and ``report.json``.

    Raises:
        OutputError: If the folder holds another run, or cannot be written.
        ConfigError: If an argument is out of range, or ``workers`` or an ``executor`` are given
            with a pipeline of instances.
        VideosegError: If something is missing that every sample needs.
    """
    _check_numbers(limit, workers, executor)
    executor = WorkerPool(workers) if workers else executor
    pipe, owned = _pipeline(pipeline)
    try:
        identity = RunIdentity.of(split, _description(pipe), seed)
        samples = _chosen(split, only)[:limit]
        samples = samples if shard is None else shard.of(samples)
        out = expand_path(out)
        files = RunFiles(out, "" if shard is None else shard.suffix)
        info = _check_folder(files, identity, resume=resume)
        with RecordFile(files.records) as file:
            known = _known_samples(files.records)
            session = new_session(command, 0 if executor is None else executor.num_workers)
            info = replace(
                info,
                root=str(root),
                limit=limit,
                shard=shard,
                sessions=(*info.sessions, session),
                left_out=left_out_of(split),
                notes=notes_of(split),
            )
            write_run(files.run, info)
            skip = {sample for sample, failed in known.items() if not (failed and retry_failed)}
            left = [sample for sample in samples if sample.id not in skip]
            before = {sample.id: known[sample.id] for sample in samples if sample.id in skip}
            counter = ProgressCounter(len(samples), before, on_progress)
            with closing(_run(pipe, split, left, executor, seed=seed)) as records:
                counter.report()
                for record in records:
                    file.append(record)
                    counter.add(record)
    finally:
        if owned:
            pipe.close()
    return write_outcome(out, split, submission, always_submit=always_submit)


def write_outcome(
    folder: str | Path,
    split: BenchmarkSplit,
    submission: SubmissionFormat | None = None,
    *,
    always_submit: bool = False,
) -> EvaluationReport:
    """Write the report of a folder, and ``submission.zip`` if the ground truth is not public.

    Args:
        folder: The folder of the run.
        split: What was run on.
        submission: The format of the benchmark's server; None for none.
        always_submit: Whether the zip is written also if the ground truth is public.

    Raises:
        OutputError: If the folder holds no run, or cannot be written.
    """
    folder = expand_path(folder)
    report = load_report(folder, split)
    path = folder / _SUBMISSION
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    written = ""
    all_done = report.coverage.done == report.coverage.in_split
    if submission is not None and all_done and (always_submit or not report.scored):
        write_submission(split, _predictions(folder, split), path, format=submission)
    if submission is not None and all_done and not report.scored:
        written = f"{_SUBMISSION}{f' ({submission.server})' if submission.server else ''}"
    return write_report(folder, split, submission=written)


def _run(
    pipe: Pipeline,
    split: BenchmarkSplit,
    samples: Sequence[Sample],
    executor: JobExecutor | None,
    *,
    seed: int,
) -> Generator[Record, None, None]:
    if samples and executor is not None:
        job = EvaluationJob(split, pipe.config, tuple(samples), seed)
        yield from executor.run(job, job.groups)
    elif samples:
        with closing(SampleRunner(pipe, split, seed=seed)) as run:
            yield from map(run, samples)


def _chosen(split: BenchmarkSplit, only: Sequence[str]) -> tuple[Sample, ...]:
    """Return the samples with these ids, or of the videos with these ids; all without any.

    Raises:
        ConfigError: If there is none of an id.
    """
    samples = tuple(split.samples)
    if not only:
        return samples
    if isinstance(only, str):
        raise ConfigError(f"only must be a list of ids, got {shorten(only)}")
    known = {name for sample in samples for name in (sample.id, sample.video_id)}
    if unknown := [name for name in only if name not in known]:
        close = difflib.get_close_matches(str(unknown[0]), sorted(known), n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else (f"ids look like {samples[0].id!r}" if samples else "it has no samples")
        )
        raise ConfigError(f"{split.name} has no sample and no video {shorten(unknown[0])}; {hint}")
    chosen = frozenset(only)
    return tuple(one for one in samples if one.id in chosen or one.video_id in chosen)


def _check_folder(files: RunFiles, identity: RunIdentity, *, resume: bool) -> RunInfo:
    """Check that the folder is free or holds the same run; return what is known of the run."""
    if not resume and (os.path.lexists(files.run) or os.path.lexists(files.records)):
        raise OutputError(
            f"{files.folder} already holds a run; continue it with resume=True, or choose "
            "another folder"
        )
    sharded = files.run.name != "run.json"
    own: RunInfo | None = None
    for other in files_of_runs(files.folder):
        if (other.run.name != "run.json") != sharded:
            raise OutputError(
                f"{files.folder} holds a run {'without' if sharded else 'in'} shards; choose "
                "another folder"
            )
        info = read_run(other.run)
        if differences := info.identity.differences(identity):
            raise OutputError(
                f"{files.folder} holds another run: {'; '.join(differences)}; choose another "
                "folder, or repeat the run that is there"
            )
        if other.run == files.run:
            own = info
    return own or RunInfo(identity)


def _known_samples(path: Path) -> dict[str, bool]:
    """Return the samples that have a record, and whether they failed.

    Samples whose ground truth could not be read are not among them: they are tried again.
    """
    problems: list[str] = []
    known: dict[str, bool] = {}
    for record in read_records(path, masks=False, problems=problems):
        known.pop(record.sample, None)
        if not record.left_out:
            known[record.sample] = record.failed
    return known


def _pipeline(given: Pipeline | PipelineConfig | str) -> tuple[Pipeline, bool]:
    """Return the pipeline, and whether it was made here."""
    from videoseg.pipeline import Pipeline, PipelineConfig

    if isinstance(given, str):
        return Pipeline.from_name(given), True
    if isinstance(given, PipelineConfig):
        return Pipeline.from_config(given), True
    return given, False


def _description(pipe: Pipeline) -> dict[str, Any]:
    try:
        return pipe.config.to_dict()
    except ConfigError:
        # Instances have no configuration, but their classes are known.
        return {"stages": repr(pipe)}


def _predictions(folder: Path, split: BenchmarkSplit) -> Iterator[tuple[Sample, Masks]]:
    samples = {sample.id: sample for sample in split.samples}
    # A sample that was run again has two records, and the last one counts.
    last = {record.sample: place for place, record in enumerate(records_of(folder, masks=False))}
    for place, record in enumerate(records_of(folder)):
        if last[record.sample] == place:
            # The partial answer of a failed sample counts neither here nor in the scores.
            tracks = () if record.failed else record.tracks
            masks = {track.object_id: track.masks for track in tracks}
            if record.sample not in samples:
                raise OutputError(
                    f"{folder} has a record of {shorten(record.sample)}, which is no sample of "
                    f"{split.name}; its files do not belong together"
                )
            yield samples[record.sample], masks


def _check_numbers(limit: int | None, workers: int, executor: JobExecutor | None) -> None:
    problems = []
    if limit is not None and limit < 1:
        problems.append(f"limit must be at least 1, got {limit}")
    if workers < 0:
        problems.append(f"workers must not be negative, got {workers}")
    if workers > 0 and executor is not None:
        problems.append(f"workers={workers} and an executor exclude each other; give one of them")
    if problems:
        raise ConfigError(problems)
