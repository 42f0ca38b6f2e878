"""Runs a pipeline over a benchmark, survives being killed, and reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.benchmarks.types import BenchmarkSplit, Sample
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation.executor import SampleExecutor
from videoseg.evaluation.folder import RunFiles, files_of_runs
from videoseg.evaluation.progress import Progress, ProgressCounter
from videoseg.evaluation.records import Record, RecordFile, read_records
from videoseg.evaluation.run_file import RunIdentity, RunInfo, Shard, new_session, write_run
from videoseg.evaluation.running import SampleRunner
from videoseg.evaluation.workers import WorkerPool
from videoseg.files import expand_path

if TYPE_CHECKING:
    from videoseg.benchmarks.types import SubmissionFormat
    from videoseg.evaluation.report import EvaluationReport
    from videoseg.pipeline import Pipeline, PipelineConfig

__all__ = ["asked_samples", "evaluate"]


def evaluate(
    split: BenchmarkSplit,
    pipeline: Pipeline | PipelineConfig | str,
    out: str | Path,
    *,
    resume: bool = False,
    retry_failed: bool = False,
    shard: Shard | None = None,
    limit: int | None = None,
    workers: int = 0,
    executor: SampleExecutor | None = None,
    seed: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    command: str = "",
    root: str | Path = "",
    submission: SubmissionFormat | None = None,
) -> EvaluationReport:
    """Run a pipeline over a split, score it and write a report.

    Every sample is on the disk as soon as it is done: whatever ends the run, ``resume`` goes on
    where it stopped. A sample that fails is recorded with its error and counts as zero; one
    whose truth cannot be read is not run and counts neither way.

    Args:
        split: What to run on, from ``open_benchmark``.
        pipeline: A pipeline, its configuration, or its name.
        out: The folder for records and report.
        resume: Go on with the run that is in the folder, if one is.
        retry_failed: With ``resume``, run failed samples again.
        shard: Run only this part; the report covers all parts found in the folder.
        limit: Run only this many samples, the first of the split.
        workers: Processes that each hold one pipeline; 0 for none but this one. A sample that
            crashes its process then fails alone.
        executor: Runs the samples somewhere else, such as on a cluster; instead of ``workers``.
        seed: The seed of every sample.
        on_progress: Called at the start and after every sample.
        command: What was typed, for the report.
        root: Where the benchmark was read from, for the report.
        submission: What the benchmark's server takes. Where the truth is not public and every
            sample is done, ``submission.zip`` is written; failed samples are empty in it.

    Returns:
        The report, also written to ``report.html``, ``report.md`` and ``report.json``.

    Raises:
        OutputError: If the folder holds another run, or cannot be written.
        ConfigError: If an argument is out of range, or ``workers`` or an ``executor`` are asked
            for with a pipeline that holds instances.
        VideosegError: If something is missing that every sample needs.
    """
    from videoseg.evaluation.outcome import write_outcome

    _check_numbers(limit, workers, executor)
    pipe, owned = _pipeline(pipeline)
    try:
        identity = RunIdentity.of(split, _described(pipe), seed)
        samples = asked_samples(split.samples, limit=limit, shard=shard)
        out = expand_path(out)
        files = RunFiles.of(out, shard)
        info = _begin(files, identity, resume=resume)
        with RecordFile(files.records) as records:
            known = _known(files.records)
            num_workers = workers if executor is None else executor.num_workers
            session = new_session(command, num_workers)
            info = info.resumed(session, limit=limit, root=str(root), shard=shard)
            write_run(files.run, info.reading(split))
            skip = {sample for sample, failed in known.items() if not (failed and retry_failed)}
            left = [sample for sample in samples if sample.id not in skip]
            before = {sample.id: known[sample.id] for sample in samples if sample.id in skip}
            _run(
                _records(pipe, split, left, workers=workers, executor=executor, seed=seed),
                records,
                ProgressCounter(len(samples), before, on_progress),
            )
    finally:
        if owned:
            pipe.close()
    return write_outcome(out, split, submission)


def asked_samples(
    samples: Sequence[Sample], *, limit: int | None = None, shard: Shard | None = None
) -> tuple[Sample, ...]:
    """Return the samples of a split that a run, or one shard of it, is about."""
    asked = tuple(samples[:limit])
    return asked if shard is None else shard.of(asked)


def _run(
    records: Generator[Record, None, None], file: RecordFile, counter: ProgressCounter
) -> None:
    with closing(records):
        counter.tell()
        for record in records:
            file.append(record)
            counter.add(record)


def _records(
    pipe: Pipeline,
    split: BenchmarkSplit,
    samples: Sequence[Sample],
    *,
    workers: int,
    executor: SampleExecutor | None,
    seed: int,
) -> Generator[Record, None, None]:
    if not samples:
        return
    if executor is not None:
        yield from executor.run(split, pipe.config, samples, seed=seed)
        return
    if workers == 0:
        with closing(SampleRunner(pipe, split, seed=seed)) as run:
            for sample in samples:
                yield run(sample)
        return
    with closing(WorkerPool(split, pipe.config, num_workers=workers, seed=seed)) as pool:
        yield from pool.run(samples)


def _begin(files: RunFiles, identity: RunIdentity, *, resume: bool) -> RunInfo:
    """Check that the folder is free, or holds the same run."""
    if not resume and (os.path.lexists(files.run) or os.path.lexists(files.records)):
        raise OutputError(
            f"{files.folder} already holds a run; go on with it by --resume (resume=True), or "
            "choose another folder"
        )
    sharded = files.run.name != "run.json"
    own: RunInfo | None = None
    for other in files_of_runs(files.folder):
        if (other.run.name != "run.json") != sharded:
            raise OutputError(
                f"{files.folder} holds a run {'without' if sharded else 'in'} shards; choose "
                "another folder"
            )
        info = other.read()
        if differences := info.identity.differences(identity):
            raise OutputError(
                f"{files.folder} holds another run: {'; '.join(differences)}; choose another "
                "folder, or run what was run there"
            )
        if other.run == files.run:
            own = info
    return own or RunInfo(identity)


def _known(path: Path) -> dict[str, bool]:
    """Return the samples that have a record, and whether they failed.

    Where only the truth could not be read, another session tries again.
    """
    problems: list[str] = []
    known: dict[str, bool] = {}
    for record in read_records(path, masks=False, problems=problems):
        known.pop(record.sample, None)
        if not record.left_out:
            known[record.sample] = record.failed
    return known


def _pipeline(given: Pipeline | PipelineConfig | str) -> tuple[Pipeline, bool]:
    from videoseg.pipeline import Pipeline, PipelineConfig

    if isinstance(given, str):
        return Pipeline.from_name(given), True
    if isinstance(given, PipelineConfig):
        return Pipeline.from_config(given), True
    return given, False


def _described(pipe: Pipeline) -> dict[str, Any]:
    try:
        return pipe.config.to_dict()
    except ConfigError:
        # Instances have no configuration; their classes at least are known.
        return {"stages": repr(pipe)}


def _check_numbers(limit: int | None, workers: int, executor: SampleExecutor | None) -> None:
    problems = []
    if limit is not None and limit < 1:
        problems.append(f"limit must be at least 1, got {limit}")
    if workers < 0:
        problems.append(f"workers must not be negative, got {workers}")
    if workers > 0 and executor is not None:
        problems.append(f"workers={workers} and an executor exclude each other; give one of them")
    if problems:
        raise ConfigError(problems)
