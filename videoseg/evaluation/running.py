"""One sample through a pipeline: masks, trace, timings, memory and score in one record."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import (
    ComponentNotFoundError,
    EvaluationError,
    MissingDependencyError,
    MissingWeightsError,
    OutputError,
    PluginConflictError,
    PluginLoadError,
)
from videoseg.evaluation.memory import MemoryWatch
from videoseg.evaluation.records import Record, RecordedError
from videoseg.evaluation.scoring import (
    answered_window,
    failed_score,
    score_tracks,
    target_facts,
)
from videoseg.results import Segmentation
from videoseg.stages import Closable
from videoseg.types import VideoSource

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline

__all__ = ["SETUP_ERRORS", "SampleRunner", "failed_record", "left_out_record", "run_sample"]

SETUP_ERRORS = (
    ComponentNotFoundError,
    MissingDependencyError,
    MissingWeightsError,
    OutputError,
    PluginConflictError,
    PluginLoadError,
)
"""What would fail for every sample alike, and is better mended than recorded a thousand times."""


class SampleRunner:
    """Runs samples of one split through one pipeline.

    The last video stays open, since the expressions of one video come one after the other and
    a pipeline may remember what it has found out about it.

    Args:
        pipeline: The pipeline; it stays open.
        split: Where the samples are from.
        seed: The seed of every sample.
    """

    def __init__(self, pipeline: Pipeline, split: BenchmarkSplit, *, seed: int = 0) -> None:
        self._pipeline = pipeline
        self._split = split
        self._seed = seed
        self._video_id: str | None = None
        self._video: VideoSource | None = None

    def __call__(self, sample: Sample) -> Record:
        """Run one sample and score it.

        Whatever goes wrong with this sample is in its record, beside what had been found until
        then (which does not count). A sample whose truth cannot be read is left out. Only what
        would go wrong with every sample is raised.

        Raises:
            VideosegError: One of ``SETUP_ERRORS``.
        """
        watch = MemoryWatch()
        begin = time.perf_counter()
        result: Segmentation | None = None
        try:
            # Before a model runs: an answer that nothing can be held against is of no use.
            truth = self._split.truth(sample)
        except EvaluationError as error:
            return left_out_record(sample, error, seed=self._seed)
        try:
            video = self._opened(sample.video_id)
            result = self._answer(video, sample)
            seconds = {**result.timings, "total": time.perf_counter() - begin}
            begin = time.perf_counter()
            record = self._scored(sample, result, truth)
            seconds["scoring"] = time.perf_counter() - begin
        except SETUP_ERRORS:
            raise
        except Exception as error:
            # A new video may behave; one that made something fail is not kept open.
            self._forget()
            record = failed_record(sample, self._split, error, seed=self._seed)
            result = result or getattr(error, "partial", None)
            if result is not None:
                record = replace(record, **_found(result))
            seconds = {"total": time.perf_counter() - begin}
        return _with_costs(record, seconds, watch)

    def close(self) -> None:
        """Close the video that is open."""
        self._forget()

    def _opened(self, video_id: str) -> VideoSource:
        if self._video is None or self._video_id != video_id:
            self._forget()
            self._video = self._split.video(video_id)
            self._video_id = video_id
        return self._video

    def _forget(self) -> None:
        if isinstance(self._video, Closable):
            self._video.close()
        self._video = self._video_id = None

    def _answer(self, video: VideoSource, sample: Sample) -> Segmentation:
        if sample.prompts:
            return self._pipeline.propagate(
                video, sample.prompts, query=sample.query, seed=self._seed
            )
        return self._pipeline(video, sample.query, seed=self._seed)

    def _scored(self, sample: Sample, result: Segmentation, truth: Truth | None) -> Record:
        window = answered_window(result)
        score = target = None
        if truth is not None:
            score = score_tracks(result.tracks, truth, self._split.protocol, window=window)
            target = target_facts(truth)
        return replace(
            Record.of(sample),
            score=score,
            target=target,
            **_found(result),
        )


def run_sample(
    pipeline: Pipeline, split: BenchmarkSplit, sample: Sample, *, seed: int = 0
) -> Record:
    """Run one sample through a pipeline and score it; the record holds all there is to know.

    To run many, make one ``SampleRunner``: it keeps a video open for all its expressions.

    Args:
        pipeline: The pipeline.
        split: Where the sample is from.
        sample: A query, or prompts (then only the propagator runs).
        seed: The seed.

    Raises:
        VideosegError: If something is missing that every sample needs; what goes wrong with
            this sample alone is in its record.
    """
    runner = SampleRunner(pipeline, split, seed=seed)
    try:
        return runner(sample)
    finally:
        runner.close()


def failed_record(
    sample: Sample, split: BenchmarkSplit, error: BaseException | RecordedError, *, seed: int = 0
) -> Record:
    """Return the record of a sample that failed; it counts as zero in every measure.

    One whose truth cannot be read is left out instead.

    Args:
        sample: The sample.
        split: Where it is from.
        error: What went wrong.
        seed: The seed of the run.
    """
    score = target = None
    try:
        truth = split.truth(sample)
        if truth is not None:
            score = failed_score(truth, split.protocol)
            target = target_facts(truth)
    except EvaluationError as unusable:
        return left_out_record(sample, unusable, seed=seed)
    return replace(
        Record.of(sample),
        status="failed",
        error=error if isinstance(error, RecordedError) else _recorded(error),
        seed=seed,
        score=score,
        target=target,
    )


def left_out_record(sample: Sample, error: EvaluationError, *, seed: int = 0) -> Record:
    """Return the record of a sample whose truth cannot be used; it counts neither way.

    Args:
        sample: The sample.
        error: Why its truth cannot be used.
        seed: The seed of the run.
    """
    return replace(
        Record.of(sample),
        status="left-out",
        error=_recorded(error),
        seed=seed,
    )


def _recorded(error: BaseException) -> RecordedError:
    text = " ".join(str(error).split())
    return RecordedError(type(error).__name__, text or "no message")


def _found(result: Segmentation) -> dict[str, Any]:
    """Return what a record holds of a result, also of one that broke off."""
    return {
        "size": result.video.size,
        "num_frames": result.video.num_frames,
        "num_objects": len(result.tracks),
        "tracks": result.tracks,
        "grounding": result.grounding,
        "trace": result.trace,
        "window": answered_window(result),
        "seed": result.seed,
        "versions": dict(result.versions),
        "device": result.device,
        "warnings": result.warnings,
    }


def _with_costs(record: Record, seconds: dict[str, float], watch: MemoryWatch) -> Record:
    return replace(
        record,
        timings={name: round(value, 6) for name, value in seconds.items()},
        peak_memory_bytes=watch.peak_bytes(),
        peak_device_memory_bytes=watch.peak_device_bytes(),
    )
