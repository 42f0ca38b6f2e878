"""Predictions of any system, scored and reported as a run of our own is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
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
from videoseg.evaluation.scoring import failed_score, score_masks, target_facts
from videoseg.files import expand_path
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import REF_DAVIS17_OFFICIAL
from videoseg.metrics.resize import fitted_masks
from videoseg.text import format_count, printable, shorten_text
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
    frame_offset: int | None = None,
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
        frame_offset: What is added to the number of a frame in the names of predicted masks,
            such as 1 where frames are numbered from 0 and masks from 1. If None, the names are
            the same, and predictions whose numbers look shifted cannot be used.
        workers: Processes that share the work; 0 for none but this one.
        on_progress: Called at the start and after every sample.
        command: What was typed, for the report.

    Raises:
        EvaluationError: If predictions cannot be used or none is that of a sample, if the split
            keeps its truth to itself, or if the truth of most samples cannot be read.
        OutputError: If ``out`` holds a run already, or cannot be written.
    """
    from videoseg.evaluation.report import build_report, write_report

    rules = split.protocol if protocol is None else protocol
    out = None if out is None else expand_path(out)
    read = split
    reader = open_predictions(predictions, rules, frame_offset=frame_offset)
    if rules.name == REF_DAVIS17_OFFICIAL.name:
        split = reader = MergedAnnotators(split, reader, rules)
    job = _Job(split, reader, rules, shorten_text(printable(str(predictions)), 300))
    identity = RunIdentity.of(split, {}, 0, protocol=rules)
    session = new_session(command, workers)
    info = RunInfo(identity, root=str(expand_path(predictions).absolute()), sessions=(session,))
    info = info.reading(read)
    counter = ProgressCounter(len(split.samples), {}, on_progress)
    outcome = _Outcome()
    with _begun(out, info) as file:
        counter.tell()
        for scored in _scored(job, workers):
            if file is not None:
                file.append(scored.record)
            outcome.add(scored)
            counter.add(scored.record)
        if (what := outcome.error(job, on_error)) is not None:
            raise EvaluationError(what)
    noted = outcome.notes()
    if out is not None:
        return write_report(out, split, problems=noted)
    return build_report(
        outcome.records, [info], protocol=rules, samples=split.samples, problems=noted
    )


@dataclass(frozen=True, slots=True)
class _Job:
    split: BenchmarkSplit
    reader: PredictionReader
    protocol: EvalProtocol
    source: str


@dataclass(frozen=True, slots=True)
class _Scored:
    record: Record
    problem: str = ""
    missing_files: tuple[str, ...] = ()
    found: bool = False
    mask_value: int = 1
    only_strange_ids: bool = False


class _Outcome:
    """What has come out, sample after sample."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._problems: list[str] = []
        self._missing: list[str] = []
        self._num_found = 0
        self._other_values: dict[int, int] = {}
        self._strange: list[str] = []

    def add(self, scored: _Scored) -> None:
        """Take what came out of one sample."""
        self.records.append(scored.record.without_masks())
        self._problems += [scored.problem] if scored.problem else []
        self._missing += scored.missing_files
        self._num_found += scored.found
        self._strange += [scored.record.sample] if scored.only_strange_ids else []
        if (value := scored.mask_value) != 1:
            self._other_values[value] = self._other_values.get(value, 0) + 1

    def error(self, job: _Job, on_error: str) -> str | None:
        """Return why the scores are worth nothing; None if they are worth something."""
        total = len(job.split.samples)
        unreadable = [record for record in self.records if record.left_out]
        if len(unreadable) > total / 2:
            why = [f"{one.sample}: {one.error.message}" for one in unreadable if one.error]
            return (
                f"the truth of {len(unreadable)} of {total} samples cannot be read: {_some(why)}"
            )
        if self._problems and on_error == "raise":
            return f"{len(self._problems)} of {total} predictions cannot be used: " + _some(
                self._problems
            )
        # What cannot be used was there at least.
        if total and not self._num_found and not self._problems:
            first = job.split.samples[0]
            there = job.reader.describe(first, job.split.frame_names(first.video_id))
            return (
                f"{job.source} has a prediction for none of the {total} samples of "
                f"{job.split.name}: {there}; give the predictions that are laid out so, or "
                "rename what is there"
            )
        return None

    def notes(self) -> list[str]:
        """Return what whoever reads the scores should know."""
        notes = []
        if self._missing:
            notes.append(
                f"{len(self._missing)} masks are not there and count as empty: "
                f"{_some(self._missing)}"
            )
        if self._strange:
            notes.append(
                f"in {format_count(len(self._strange), 'sample')}, such as {self._strange[0]}, no "
                "predicted object has the id of a true one; this protocol compares them by id"
            )
        notes += [
            f"predicted pixels are written as {value} in {format_count(count, 'sample')}, and "
            "count so in R and A, as in the released script"
            for value, count in sorted(self._other_values.items())
        ]
        return notes


@contextmanager
def _begun(folder: Path | None, info: RunInfo) -> Iterator[RecordFile | None]:
    """Open the file of records; if scoring does not get to its end, nothing of it stays."""
    if folder is None:
        yield None
        return
    files = RunFiles(folder)
    if files_of_runs(folder) or os.path.lexists(files.records):
        raise OutputError(f"{folder} already holds a run; choose another folder")
    records = RecordFile(files.records)
    try:
        with records:
            write_run(files.run, info)
            yield records
    except BaseException:
        # Scores of a part, or those not worth keeping, must not look like a run.
        for path in (files.run, files.records):
            with suppress(OSError):
                path.unlink()
        raise


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return f"{'; '.join(texts[:_LISTED])}{more}"


# -- one sample --------------------------------------------------------------------------


def _scored(job: _Job, workers: int) -> Iterator[_Scored]:
    samples = job.split.samples
    if workers == 0 or not samples:
        for sample in samples:
            yield _score_one(job, sample)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(samples)),
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
    # The terminal sends Ctrl-C to all; the main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _remembered[:] = [job]


def _score_remembered(sample: Sample) -> _Scored:
    return _score_one(_remembered[0], sample)


def _score_one(job: _Job, sample: Sample) -> _Scored:
    begin = time.perf_counter()
    before = len(job.reader.missing_files)
    try:
        truth = job.split.truth(sample)
    except EvaluationError as error:
        return _Scored(left_out_record(sample, error))
    if truth is None:
        raise EvaluationError(
            f"{job.split.name} keeps its truth to itself; upload the predictions to its server"
        )
    names = job.split.frame_names(sample.video_id)
    problem = ""
    found = True
    predicted: Mapping[int, Sequence[Rle | None]] | None = None
    values: Sequence[int] | None = None
    try:
        predicted = job.reader.read(sample, truth, names)
        found = predicted is not None or job.reader.was_run(sample)
        if predicted is not None and job.protocol.overlaps == "added":
            values = job.reader.mask_values(sample, truth, names)
        record = _record(job, sample, truth, predicted, values)
    except EvaluationError as error:
        problem = f"{sample.id}: {error}"
        try:
            record = _failed(job, sample, truth, RecordedError(type(error).__name__, str(error)))
        except EvaluationError as of_truth:
            # By this protocol nothing can be scored on this truth, not even a failure.
            return _Scored(left_out_record(sample, of_truth))
    record = replace(record, timings={"total": round(time.perf_counter() - begin, 6)})
    missing = tuple(job.reader.missing_files[before:])
    # A sample without any prediction is told as such, not file by file.
    missing = () if record.failed else missing
    strange = _has_only_strange_ids(predicted or {}, truth, job.protocol)
    return _Scored(record, problem, missing, found, max(values or (1,)), strange)


def _has_only_strange_ids(
    predicted: Collection[int], truth: Truth, protocol: EvalProtocol
) -> bool:
    by_id = protocol.objects == "apart" and protocol.matching == "id"
    return by_id and bool(predicted and truth.objects) and set(truth.objects).isdisjoint(predicted)


def _record(
    job: _Job,
    sample: Sample,
    truth: Truth,
    predicted: Mapping[int, Sequence[Rle | None]] | None,
    mask_values: Sequence[int] | None,
) -> Record:
    score = score_masks(predicted, truth, job.protocol, mask_values=mask_values)
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
    return replace(
        Record.of(sample),
        size=truth.size,
        target=target_facts(truth),
    )


def _num_frames(truth: Truth) -> int:
    return max(truth.frames, default=-1) + 1


def _track(object_id: int, masks: Sequence[Rle | None], truth: Truth) -> MaskTrack:
    spread: list[Rle | None] = [None] * _num_frames(truth)
    # Of another size they are only where the protocol resizes them.
    for frame, rle in zip(truth.frames, fitted_masks(masks, truth.size), strict=True):
        spread[frame] = rle
    return MaskTrack(object_id, truth.size, tuple(spread))
