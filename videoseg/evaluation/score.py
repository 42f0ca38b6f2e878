"""Scores predictions of any system, with the same report as a run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth, left_out_of, notes_of
from videoseg.errors import ConfigError, EvaluationError, OutputError
from videoseg.evaluation.evaluate import Progress, ProgressCounter
from videoseg.evaluation.predictions import PredictionReader, open_predictions
from videoseg.evaluation.records import Record, RecordedError, RecordFile
from videoseg.evaluation.ref_davis17 import MergedAnnotators
from videoseg.evaluation.report.build import build_report
from videoseg.evaluation.report.data import EvaluationReport
from videoseg.evaluation.report.write import write_report
from videoseg.evaluation.run import (
    RunFiles,
    RunIdentity,
    RunInfo,
    files_of_runs,
    new_session,
    write_run,
)
from videoseg.evaluation.sample import (
    failed_score,
    left_out_record,
    score_masks,
    target_facts,
)
from videoseg.files import expand_path
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import REF_DAVIS17_OFFICIAL, protocol_named
from videoseg.metrics.task import fitted_masks
from videoseg.text import format_count, printable, shorten, shorten_text
from videoseg.types import MaskTrack, Rle

__all__ = ["score_predictions"]

_LISTED = 10
"""How many problems a message lists."""


def score_predictions(
    split: BenchmarkSplit,
    predictions: str | Path,
    *,
    protocol: EvalProtocol | str | None = None,
    resize: bool = False,
    out: str | Path | None = None,
    on_error: Literal["raise", "zero"] = "raise",
    frame_offset: int | None = None,
    workers: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> EvaluationReport:
    """Score predictions of any system.

    A sample without a prediction counts as the protocol says, and is part of the coverage. A
    sample whose ground truth cannot be read is left out of every mean, and the report lists it.

    Args:
        split: The ground truth, from ``open_benchmark`` or ``read_annotations``.
        predictions: A folder or zip of pictures, a JSON file of RLEs (``PredictionFolder``
            describes the layouts), or the output folder of an earlier run.
        protocol: The rules or their name; by default those of the split.
        resize: Resize predictions of another size by nearest neighbor; by default the protocol
            decides, and in most of them they are an error.
        out: Where to write records and report; None for nowhere.
        on_error: What to do about predictions that cannot be used: ``raise`` lists all problems
            at the end, ``zero`` counts them as failures.
        frame_offset: What to add to the number of a frame to get the number in the name of its
            predicted mask, such as 1 if frames are numbered from 0 and masks from 1. If None,
            the names are the same, and predictions whose numbers look shifted are an error.
        workers: Number of processes that share the work; 0 scores in this process.
        on_progress: Called at the start and after every sample.
        command: The command line, for the report.

    Returns:
        The report, also written to ``out`` as ``report.html``, ``report.md`` and
        ``report.json``.

    Raises:
        ConfigError: If no protocol has this name, or an argument is out of range.
        EvaluationError: If predictions cannot be used or none belongs to a sample, if the ground
            truth of the split is not public, or if that of most samples cannot be read.
        OutputError: If ``out`` already holds a run, or cannot be written.
    """
    if on_error not in ("raise", "zero"):
        raise ConfigError(f"on_error must be 'raise' or 'zero', got {shorten(on_error)}")
    if workers < 0:
        raise ConfigError(f"workers must not be negative, got {workers}")
    rules = protocol_named(protocol) if isinstance(protocol, str) else protocol or split.protocol
    if resize:
        rules = replace(rules, resolution="nearest")
    out = None if out is None else expand_path(out)
    reader = open_predictions(predictions, rules, frame_offset=frame_offset)
    scored_split = split
    if rules.name == REF_DAVIS17_OFFICIAL.name:
        scored_split = reader = MergedAnnotators(split, reader, rules)
    job = _Job(scored_split, reader, rules, shorten_text(printable(str(predictions)), 300))
    info = RunInfo(
        RunIdentity.of(scored_split, {}, 0, protocol=rules),
        root=str(expand_path(predictions).absolute()),
        sessions=(new_session(command, workers),),
        left_out=left_out_of(split),
        notes=notes_of(split),
    )
    counter = ProgressCounter(len(scored_split.samples), {}, on_progress)
    done: list[_Scored] = []
    with _record_file(out, info) as file:
        counter.report()
        for scored in _score_all(job, workers):
            if file is not None:
                file.append(scored.record)
            done.append(replace(scored, record=scored.record.without_masks()))
            counter.add(scored.record)
        if (problem := _problem_of(done, job, on_error)) is not None:
            raise EvaluationError(problem)
    if out is not None:
        return write_report(out, scored_split, problems=_notes(done))
    return build_report(
        [scored.record for scored in done],
        [info],
        protocol=rules,
        samples=scored_split.samples,
        problems=_notes(done),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    split: BenchmarkSplit
    reader: PredictionReader
    protocol: EvalProtocol
    source: str
    """Where the predictions are, for messages."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """One scored sample, and what was noticed about its prediction.

    Args:
        record: Its record.
        problem: Why its prediction cannot be used; empty if it can.
        missing_files: Masks that do not exist, and count as empty.
        found: Whether there is a prediction.
        mask_value: The value of predicted pixels in their files, for protocols that use it.
        only_unknown_ids: Whether no predicted object has the id of a true one, in a protocol
            that matches by id.
    """

    record: Record
    problem: str = ""
    missing_files: tuple[str, ...] = ()
    found: bool = False
    mask_value: int = 1
    only_unknown_ids: bool = False


def _problem_of(done: Sequence[_Scored], job: _Job, on_error: str) -> str | None:
    """Return why the scores are meaningless; None if they are not."""
    total = len(job.split.samples)
    unreadable = [scored.record for scored in done if scored.record.left_out]
    if len(unreadable) > total / 2:
        why = [f"{one.sample}: {one.error.message}" for one in unreadable if one.error]
        return f"the truth of {len(unreadable)} of {total} samples cannot be read: {_some(why)}"
    problems = [scored.problem for scored in done if scored.problem]
    if problems and on_error == "raise":
        return f"{len(problems)} of {total} predictions cannot be used: {_some(problems)}"
    # A prediction that cannot be used was found, at least.
    if total and not problems and not any(scored.found for scored in done):
        first = job.split.samples[0]
        there = job.reader.describe(first, job.split.frame_names(first.video_id))
        return (
            f"{job.source} has a prediction for none of the {total} samples of "
            f"{job.split.name}: {there}; give predictions in this layout, or rename them"
        )
    return None


def _notes(done: Sequence[_Scored]) -> list[str]:
    """Return notes for the reader of the scores."""
    notes = []
    if missing := [file for scored in done for file in scored.missing_files]:
        number = format_count(len(missing), "mask")
        notes.append(f"{number} not found, counted as empty: {_some(missing)}")
    if unknown := [scored.record.sample for scored in done if scored.only_unknown_ids]:
        notes.append(
            f"in {format_count(len(unknown), 'sample')}, such as {unknown[0]}, no predicted "
            "object has the id of a true one; this protocol matches objects by id"
        )
    values = Counter(scored.mask_value for scored in done if scored.mask_value != 1)
    notes += [
        f"predicted pixels have the value {value} in {format_count(count, 'sample')}, and "
        "count with it in R and A, as in the released script"
        for value, count in sorted(values.items())
    ]
    return notes


@contextmanager
def _record_file(folder: Path | None, info: RunInfo) -> Iterator[RecordFile | None]:
    """Open the file of records, and remove it again if scoring does not finish."""
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
        # Incomplete or meaningless scores must not look like a run.
        for path in (files.run, files.records):
            with suppress(OSError):
                path.unlink()
        raise


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return f"{'; '.join(texts[:_LISTED])}{more}"


# -- one sample --------------------------------------------------------------------------


def _score_all(job: _Job, workers: int) -> Iterator[_Scored]:
    samples = job.split.samples
    if workers == 0 or not samples:
        for sample in samples:
            yield _score_one(job, sample)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(samples)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_job,
        initargs=(job,),
    )
    try:
        yield from pool.map(_score_in_process, samples)
    except BrokenProcessPool as error:
        raise EvaluationError(
            "a process that was scoring died; if memory ran out, use fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


# The job of a process of the pool, sent once instead of with every sample.
_job_of_process: list[_Job] = []


def _set_job(job: _Job) -> None:
    # A terminal sends Ctrl-C to all processes; the main one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _job_of_process[:] = [job]


def _score_in_process(sample: Sample) -> _Scored:
    return _score_one(_job_of_process[0], sample)


def _score_one(job: _Job, sample: Sample) -> _Scored:
    begin = time.perf_counter()
    num_missing = len(job.reader.missing_files)
    try:
        truth = job.split.truth(sample)
    except EvaluationError as error:
        return _Scored(left_out_record(sample, error))
    if truth is None:
        raise EvaluationError(
            f"the truth of {job.split.name} is not public; check the predictions (--check, "
            "check_submission) and upload them to its server"
        )
    names = job.split.frame_names(sample.video_id)
    problem, found = "", True
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
            # This protocol cannot score anything on this ground truth, not even a failure.
            return _Scored(left_out_record(sample, of_truth))
    record = replace(record, timings={"total": round(time.perf_counter() - begin, 6)})
    missing = tuple(job.reader.missing_files[num_missing:])
    # A sample without any prediction is reported as such, not file by file.
    missing = () if record.failed else missing
    unknown = (
        job.protocol.objects == "per-object"
        and job.protocol.matching == "id"
        and bool(predicted and truth.objects)
        and set(truth.objects).isdisjoint(predicted or ())
    )
    return _Scored(record, problem, missing, found, max(values or (1,)), unknown)


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
    num_frames = max(truth.frames, default=-1) + 1
    tracks = []
    for object_id in sorted(predicted):
        masks: list[Rle | None] = [None] * num_frames
        # Other sizes get here only where the protocol resizes them.
        fitted = fitted_masks(predicted[object_id], truth.size)
        for frame, rle in zip(truth.frames, fitted, strict=True):
            masks[frame] = rle
        tracks.append(MaskTrack(object_id, truth.size, tuple(masks)))
    return replace(
        Record.of(sample),
        size=truth.size,
        target=target_facts(truth),
        num_frames=num_frames,
        num_objects=len(predicted),
        tracks=tuple(tracks),
        score=score,
    )


def _failed(job: _Job, sample: Sample, truth: Truth, error: RecordedError) -> Record:
    return replace(
        Record.of(sample),
        size=truth.size,
        target=target_facts(truth),
        status="failed",
        error=error,
        score=failed_score(truth, job.protocol),
    )
