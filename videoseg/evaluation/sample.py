"""Runs one sample and scores it: masks, trace, timings, memory and score in one record."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
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
from videoseg.evaluation.records import Record, RecordedError, TargetFacts
from videoseg.masks import union_of_rles
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.scoring import PredictedMasks, SampleScore, score_sample
from videoseg.results import Segmentation
from videoseg.stages import Closable
from videoseg.types import Grounding, MaskTrack, Rle, VideoSource, Window

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline

__all__ = [
    "SETUP_ERRORS",
    "MemoryWatch",
    "SampleRunner",
    "answered_window",
    "failed_record",
    "failed_score",
    "left_out_record",
    "score_masks",
    "score_tracks",
    "target_facts",
]

SETUP_ERRORS = (
    ComponentNotFoundError,
    MissingDependencyError,
    MissingWeightsError,
    OutputError,
    PluginConflictError,
    PluginLoadError,
)
"""Errors that affect every sample: raised at once instead of recorded."""

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


# -- running -----------------------------------------------------------------------------


class SampleRunner:
    """Runs samples of one split through one pipeline.

    The last video stays open: the expressions of one video usually follow each other, and a
    pipeline may cache what it has computed for it.

    Args:
        pipeline: The pipeline; it is not closed.
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

        An error of this sample is in its record, together with the partial answer, which does
        not count. A sample whose ground truth cannot be read is left out. Only errors that
        affect every sample are raised.

        Raises:
            VideosegError: One of ``SETUP_ERRORS``.
        """
        watch = MemoryWatch()
        begin = time.perf_counter()
        result: Segmentation | None = None
        try:
            # Before the model runs: an answer that cannot be scored is wasted time.
            truth = self._split.truth(sample)
        except EvaluationError as error:
            return left_out_record(sample, error, seed=self._seed)
        try:
            video = self._open(sample.video_id)
            result = self._answer(video, sample)
            seconds = {**result.timings, "total": time.perf_counter() - begin}
            begin = time.perf_counter()
            record = self._score(sample, result, truth)
            seconds["scoring"] = time.perf_counter() - begin
        except SETUP_ERRORS:
            raise
        except Exception as error:
            # The video may be the cause, so the next sample opens it again.
            self.close()
            record = failed_record(sample, self._split, error, seed=self._seed)
            result = result or getattr(error, "partial", None)
            if result is not None:
                record = replace(record, **_result_fields(result))
            seconds = {"total": time.perf_counter() - begin}
        return replace(
            record,
            timings={name: round(value, 6) for name, value in seconds.items()},
            peak_memory_bytes=watch.peak_bytes(),
            peak_device_memory_bytes=watch.peak_device_bytes(),
        )

    def close(self) -> None:
        """Close the open video."""
        if isinstance(self._video, Closable):
            self._video.close()
        self._video = self._video_id = None

    def _open(self, video_id: str) -> VideoSource:
        if self._video is None or self._video_id != video_id:
            self.close()
            self._video = self._split.video(video_id)
            self._video_id = video_id
        return self._video

    def _answer(self, video: VideoSource, sample: Sample) -> Segmentation:
        if sample.prompts:
            first = min(prompt.frame for prompt in sample.prompts)
            # An object does not exist before the mask that is given for it.
            given = Grounding(first, sample.prompts, appears_at_prompt=True)
            return self._pipeline.propagate(
                video, given, query=sample.query, seed=self._seed, progress=False
            )
        return self._pipeline(video, sample.query, seed=self._seed, progress=False)

    def _score(self, sample: Sample, result: Segmentation, truth: Truth | None) -> Record:
        score = target = None
        if truth is not None:
            window = answered_window(result)
            score = score_tracks(result.tracks, truth, self._split.protocol, window=window)
            target = target_facts(truth)
        record = Record.of(sample)
        return replace(record, score=score, target=target, **_result_fields(result))


def failed_record(
    sample: Sample, split: BenchmarkSplit, error: BaseException | RecordedError, *, seed: int = 0
) -> Record:
    """Return the record of a sample that failed; it counts as zero in every measure.

    A sample whose ground truth cannot be read is left out instead.

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
        error=error if isinstance(error, RecordedError) else RecordedError.of(error),
        seed=seed,
        score=score,
        target=target,
    )


def left_out_record(sample: Sample, error: EvaluationError, *, seed: int = 0) -> Record:
    """Return the record of a sample whose ground truth cannot be used; no mean includes it.

    Args:
        sample: The sample.
        error: Why its ground truth cannot be used.
        seed: The seed of the run.
    """
    recorded = RecordedError.of(error)
    return replace(Record.of(sample), status="left-out", error=recorded, seed=seed)


def _result_fields(result: Segmentation) -> dict[str, Any]:
    """Return the fields of a record that come from a result, even a partial one."""
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


# -- scoring -----------------------------------------------------------------------------


def score_tracks(
    tracks: Sequence[MaskTrack],
    truth: Truth,
    protocol: EvalProtocol,
    *,
    window: Window | None = None,
) -> SampleScore:
    """Score mask tracks over all frames against the ground truth on the annotated ones.

    Args:
        tracks: The answer; none for "not in this video".
        truth: The ground truth.
        protocol: The rules.
        window: The predicted window.

    Raises:
        EvaluationError: If a frame is annotated that the tracks do not have, or the sizes
            differ and the protocol does not allow it.
    """
    last = max(truth.frames, default=-1)
    for track in tracks:
        if last >= len(track.masks):
            raise EvaluationError(
                f"frame {last} is annotated, but the video that was answered has only "
                f"{len(track.masks)} frames; the videos and the annotations do not belong together"
            )
    predicted: dict[int, list[Rle | None]] = {
        track.object_id: [track.masks[frame] for frame in truth.frames] for track in tracks
    }
    return score_masks(predicted, truth, protocol, window=window)


def score_masks(
    predicted: PredictedMasks | None,
    truth: Truth,
    protocol: EvalProtocol,
    *,
    window: Window | None = None,
    mask_values: Sequence[int] | None = None,
) -> SampleScore:
    """Score masks on the annotated frames against the ground truth; see ``score_sample``.

    Args:
        predicted: For each object one mask for each annotated frame; None: no prediction.
        truth: The ground truth.
        protocol: The rules.
        window: The predicted window.
        mask_values: The value of predicted pixels in their files, on each annotated frame.

    Raises:
        EvaluationError: If prediction and ground truth do not fit together.
    """
    objects = truth.objects
    if truth.ids_of_pictures and protocol.true_objects == "first-frame":
        absent = (None,) * len(truth.frames)
        ids = range(1, max(objects, default=0) + 1)
        objects = {object_id: objects.get(object_id, absent) for object_id in ids}
    return score_sample(
        predicted,
        objects,
        size=truth.size,
        protocol=protocol,
        foreground=truth.foreground,
        foreground_pixels=truth.foreground_pixels,
        ignored=truth.ignored,
        repeated=truth.repeated,
        mask_values=mask_values,
        object_frames=truth.object_frames,
        predicted_window=window,
        true_window=truth.window,
    )


def failed_score(truth: Truth, protocol: EvalProtocol) -> SampleScore:
    """Return the score of a sample that failed: zero in every measure.

    An empty prediction is right if there is no target. A failure must not profit from that,
    whatever the protocol says about missing predictions.
    """
    return score_masks(None, truth, replace(protocol, missing="zero"))


def target_facts(truth: Truth) -> TargetFacts:
    """Return the facts about the target by which results are broken down."""
    pixels = truth.size[0] * truth.size[1]
    unions = (
        union_of_rles([masks[index] for masks in truth.objects.values()], size=truth.size)
        for index in range(len(truth.frames))
    )
    areas = [union.area for union in unions if union.area]
    return TargetFacts(
        num_objects=len(truth.objects),
        num_frames=len(truth.frames),
        visible_share=len(areas) / len(truth.frames) if truth.frames else 0.0,
        area_share=sum(areas) / len(areas) / pixels if areas and pixels else 0.0,
    )


def answered_window(result: Segmentation) -> Window | None:
    """Return the window that a result answers with; None if nothing was found.

    It is the window of the grounding. If that names none, it is the last window the grounder
    asked for; if it never asked, the window from the first frame with a mask to the last.
    """
    if not result.found:
        return None
    if result.grounding.window is not None:
        return result.grounding.window
    for turn in reversed(result.trace.turns):
        if turn.look_window is not None:
            return turn.look_window
    frames = [frame for track in result.tracks for frame in track.visible_frames]
    return Window(min(frames), max(frames) + 1) if frames else None


# -- memory ------------------------------------------------------------------------------


class MemoryWatch:
    """Measures peak memory from its creation on.

    On Linux the kernel's high-water mark of this process is reset, so that the peak is that of
    the work alone; elsewhere it is the peak of the process so far.
    """

    def __init__(self) -> None:
        try:
            _CLEAR.write_text("5")
            self._was_reset = True
        except OSError:
            self._was_reset = False
        if (torch := _torch_with_devices()) is not None:
            for index in range(torch.cuda.device_count()):
                torch.cuda.reset_peak_memory_stats(index)

    def peak_bytes(self) -> int | None:
        """Return the peak of main memory in bytes; None if the system does not report it."""
        if self._was_reset:
            with contextlib.suppress(OSError, StopIteration, ValueError, IndexError):
                lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
                mark = next(line for line in lines if line.startswith("VmHWM:"))
                return int(mark.split()[1]) * 1024
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def peak_device_bytes(self) -> int | None:
        """Return the peak of GPU memory in bytes, summed over GPUs; None if none is in use."""
        torch = _torch_with_devices()
        if torch is None:
            return None
        return sum(
            int(torch.cuda.max_memory_allocated(index))
            for index in range(torch.cuda.device_count())
        )


def _torch_with_devices() -> Any:
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    # Asking an uninitialized CUDA would start it, which costs GPU memory.
    return torch if cuda is not None and cuda.is_initialized() else None
