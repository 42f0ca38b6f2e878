"""Predictions of any system, scored and reported as a run of our own is."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError, OutputError
from videoseg.evaluation.folder import RunFiles, files_of_runs
from videoseg.evaluation.merged_annotators import MergedAnnotators
from videoseg.evaluation.predictions import PredictionReader, open_predictions
from videoseg.evaluation.progress import Progress, ProgressCounter
from videoseg.evaluation.records import Record, RecordedError, RecordFile
from videoseg.evaluation.run_file import RunIdentity, RunInfo, new_session, write_run
from videoseg.evaluation.running import left_out_record
from videoseg.evaluation.scoring import failed_score, target_facts
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import REF_DAVIS17_OFFICIAL
from videoseg.metrics.scoring import score_sample
from videoseg.types import MaskTrack, Rle

if TYPE_CHECKING:
    from videoseg.evaluation.report import EvaluationReport

__all__ = ["score_predictions"]

_LISTED = 10


def score_predictions(
    split: BenchmarkSplit,
    predictions: str | Path,
    *,
    protocol: EvalProtocol | None = None,
    out: str | Path | None = None,
    on_error: Literal["raise", "zero"] = "raise",
    workers: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> EvaluationReport:
    """Score predictions that any system has written.

    A sample without a prediction counts as the protocol has it, and shows in the coverage. One
    whose truth cannot be read counts neither way and is told.

    Args:
        split: The truth, from ``open_benchmark`` or ``read_annotations``.
        predictions: A folder or zip of pictures, a JSON file of RLEs (``PredictionFolder``
            says how they are laid out), or the output folder of an earlier run.
        protocol: The rules; by default those of the split.
        out: Where to write records and report; None for nowhere.
        on_error: What a prediction is that cannot be used: ``raise`` tells all that is wrong
            at the end, ``zero`` counts it as a failure.
        workers: Processes that share the work; 0 for none but this one.
        on_progress: Called at the start and after every sample.
        command: What was typed, for the report.

    Raises:
        EvaluationError: If predictions cannot be used, if the split keeps its truth to itself,
            or if the truth of most samples cannot be read.
        OutputError: If ``out`` holds a run already, or cannot be written.
    """
    from videoseg.evaluation.report import build_report, write_report

    rules = split.protocol if protocol is None else protocol
    read = split
    reader = open_predictions(predictions, rules)
    if rules.name == REF_DAVIS17_OFFICIAL.name:
        split = reader = MergedAnnotators(split, reader, rules)
    job = _Job(split, reader, rules, str(predictions))
    identity = RunIdentity.of(split, {}, 0, protocol=rules)
    session = new_session(command, workers)
    info = RunInfo(identity, root=str(Path(predictions).absolute()), sessions=(session,))
    info = info.reading(read)
    counter = ProgressCounter(len(split.samples), {}, on_progress)
    problems: list[str] = []
    missing: list[str] = []
    kept: list[Record] = []
    with ExitStack() as stack:
        file = None if out is None else stack.enter_context(_begin(Path(out), info))
        counter.tell()
        for scored in _scored(job, workers):
            problems += [scored.problem] if scored.problem else []
            missing += scored.missing_files
            if file is not None:
                file.append(scored.record)
            kept.append(scored.record.without_masks())
            counter.add(scored.record)
    unreadable = [record for record in kept if record.left_out]
    if len(unreadable) > len(kept) / 2:
        _forget(out)
        why = [f"{one.sample}: {one.error.message}" for one in unreadable if one.error is not None]
        raise EvaluationError(
            f"the truth of {len(unreadable)} of {len(kept)} samples cannot be read: {_some(why)}"
        )
    if problems and on_error == "raise":
        _forget(out)
        raise EvaluationError(
            f"{len(problems)} of {len(split.samples)} predictions cannot be used: "
            f"{_some(problems)}"
        )
    noted = []
    if missing:
        noted = [f"{len(missing)} masks are not there and count as empty: {_some(missing)}"]
    if out is not None:
        return write_report(out, split, problems=noted)
    return build_report(kept, [info], protocol=rules, samples=split.samples, problems=noted)


@dataclass(frozen=True, slots=True)
class _Job:
    split: BenchmarkSplit
    reader: PredictionReader
    protocol: EvalProtocol
    source: str


@dataclass(frozen=True, slots=True)
class _Scored:
    record: Record
    problem: str
    missing_files: tuple[str, ...]


def _begin(folder: Path, info: RunInfo) -> RecordFile:
    files = RunFiles(folder)
    if files_of_runs(folder) or files.records.exists():
        raise OutputError(f"{folder} already holds a run; choose another folder")
    records = RecordFile(files.records)
    write_run(files.run, info)
    return records


def _forget(folder: str | Path | None) -> None:
    """Remove what was begun: scores that are not worth keeping must not look like a run."""
    if folder is not None:
        files = RunFiles(Path(folder))
        for path in (files.run, files.records):
            with suppress(OSError):
                path.unlink()


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return f"{'; '.join(texts[:_LISTED])}{more}"


# -- one sample --------------------------------------------------------------------------


def _scored(job: _Job, workers: int) -> Iterator[_Scored]:
    samples = job.split.samples
    if workers == 0:
        for sample in samples:
            yield _score_one(job, sample)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_remember,
        initargs=(job,),
    )
    try:
        yield from pool.map(_score_remembered, samples)
    except BrokenProcessPool as error:
        raise EvaluationError(
            "a process that was scoring died; if memory ran out, use fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


# What a process of the pool scores, sent once and not with every sample.
_remembered: list[_Job] = []


def _remember(job: _Job) -> None:
    _remembered[:] = [job]


def _score_remembered(sample: Sample) -> _Scored:
    return _score_one(_remembered[0], sample)


def _score_one(job: _Job, sample: Sample) -> _Scored:
    begin = time.perf_counter()
    before = len(job.reader.missing_files)
    try:
        truth = job.split.truth(sample)
    except EvaluationError as error:
        return _Scored(left_out_record(sample, error), "", ())
    if truth is None:
        raise EvaluationError(
            f"{job.split.name} keeps its truth to itself; upload the predictions to its server"
        )
    problem = ""
    try:
        predicted = job.reader.read(sample, truth, job.split.frame_names(sample.video_id))
        record = _record(job, sample, truth, predicted)
    except EvaluationError as error:
        problem = f"{sample.id}: {error}"
        record = _failed(job, sample, truth, RecordedError(type(error).__name__, str(error)))
    record = replace(record, timings={"total": round(time.perf_counter() - begin, 6)})
    missing = tuple(job.reader.missing_files[before:])
    # A sample without any prediction is told as such, not file by file.
    return _Scored(record, problem, () if record.failed else missing)


def _record(
    job: _Job,
    sample: Sample,
    truth: Truth,
    predicted: Mapping[int, Sequence[Rle | None]] | None,
) -> Record:
    score = score_sample(
        predicted,
        truth.objects,
        size=truth.size,
        protocol=job.protocol,
        foreground=truth.foreground,
        true_window=truth.window,
        ignored=truth.ignored,
    )
    if predicted is None:
        error = RecordedError("MissingPrediction", f"there is none in {job.source}")
        return replace(_failed(job, sample, truth, error), score=score)
    return replace(
        _bare(sample, truth),
        num_frames=_num_frames(truth),
        num_objects=len(predicted),
        tracks=tuple(_track(key, predicted[key], truth) for key in sorted(predicted)),
        score=score,
    )


def _failed(job: _Job, sample: Sample, truth: Truth, error: RecordedError) -> Record:
    score = failed_score(truth, job.protocol)
    return replace(_bare(sample, truth), status="failed", error=error, score=score)


def _bare(sample: Sample, truth: Truth) -> Record:
    return Record(
        sample=sample.id,
        video_id=sample.video_id,
        expression_id=sample.expression_id,
        query=sample.query,
        group=sample.group,
        attributes=dict(sample.attributes),
        size=truth.size,
        target=target_facts(truth),
    )


def _num_frames(truth: Truth) -> int:
    return max(truth.frames, default=-1) + 1


def _track(object_id: int, masks: Sequence[Rle | None], truth: Truth) -> MaskTrack:
    size = next((rle.size for rle in masks if rle is not None), truth.size)
    spread: list[Rle | None] = [None] * _num_frames(truth)
    for frame, rle in zip(truth.frames, masks, strict=True):
        spread[frame] = rle
    return MaskTrack(object_id, size, tuple(spread))
