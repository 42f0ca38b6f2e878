"""Measures one propagator or pipeline in a process of its own."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from videoseg.bench.targets import BenchClip, Target
from videoseg.errors import VideosegError
from videoseg.types import FrameMasks, Rle
from videoseg.video import Video

__all__ = ["Measurement", "measure"]

State = Literal["measured", "failed", "cannot run"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a target.

    Args:
        label: The target's name with its options.
        kind: ``propagator`` or ``pipeline``.
        state: ``measured``, ``failed``, or ``cannot run`` (something is not installed, or
            weights are missing).
        problem: Why it is not measured; empty otherwise.
        random_weights: Whether its network is made of random numbers: masks mean nothing then.
        load_seconds: Imports, weights and the first use, beyond what the first mask takes later.
        first_mask_seconds: From the call to the first mask, when everything is loaded.
        frames_per_second: Frames after the first one, with decoding, without drawing and saving.
        memory: Peak memory of the whole process, in MiB.
        gpu_memory: Peak memory that torch took on the GPU, in MiB; None without a GPU.
        j: Mean region similarity in [0, 1] over the frames that have a true mask, but the
            given ones; None without truth or with random weights.
        f: The same for the boundary.
        num_frames: How many frames were processed.
    """

    label: str
    kind: str
    state: State = "measured"
    problem: str = ""
    random_weights: bool = False
    load_seconds: float = 0.0
    first_mask_seconds: float = 0.0
    frames_per_second: float = 0.0
    memory: float = 0.0
    gpu_memory: float | None = None
    j: float | None = None
    f: float | None = None
    num_frames: int = 0


def measure(
    target: Target, clip: BenchClip, *, max_frames: int | None = None, threads: int | None = None
) -> Measurement:
    """Measure a target in a new process, so that memory and loading are its own.

    Args:
        target: What is measured.
        clip: What it is measured on.
        max_frames: After how many frames to stop.
        threads: How many threads torch and OpenCV may use; None for their own choice.

    Returns:
        What was measured. A target that fails, or whose process dies, is a measurement with
        the reason.
    """
    label, kind = target.label, target.kind
    try:
        readiness = target.readiness()
    except VideosegError as error:
        return Measurement(label, kind, "cannot run", str(error))
    if readiness.state != "usable":
        return Measurement(label, kind, "cannot run", str(readiness))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        try:
            return process.submit(_measure, target, clip, max_frames, threads).result()
        except VideosegError as error:
            return Measurement(label, kind, "failed", str(error))
        except BrokenProcessPool:
            reason = (
                "its process died, for want of memory or in a crash of a library; a script must "
                'call this below `if __name__ == "__main__":`, since new processes read it again'
            )
            return Measurement(label, kind, "failed", reason)


def _measure(
    target: Target, clip: BenchClip, max_frames: int | None, threads: int | None
) -> Measurement:
    """Measure in this process, which nothing else has used."""
    if threads is not None:
        _limit_threads(threads)
    with Video.open(clip.video) as video:
        prompts = clip.prompts(video) if target.kind == "propagator" else ()
        truth = clip.truth(video)
        # A propagator does not read it, but a pipeline refuses to be asked nothing.
        query = clip.query if target.kind == "pipeline" else "what is given"
        last = len(video) if max_frames is None else min(max_frames, len(video))
        begin = time.perf_counter()
        with target.pipeline(prompts) as pipe:
            with pipe.stream(video, query, order="made") as stream:
                next(iter(stream), None)
            cold = time.perf_counter() - begin
            begin = time.perf_counter()
            scores = _Scores(truth, {(one.object_id, one.frame) for one in prompts})
            with pipe.stream(video, query, order="made") as stream:
                first = next(iter(stream), None)
                warm = time.perf_counter() - begin
                seconds, count = 0.0, 1 if first is not None else 0
                begin = time.perf_counter()
                for masks in islice(stream, max(last - 1, 0)):
                    seconds += time.perf_counter() - begin
                    count += 1
                    scores.add(masks)
                    begin = time.perf_counter()
                if first is not None:
                    scores.add(first)
    # Of what is usable only random weights are a problem.
    is_random = bool(target.readiness().problem)
    return Measurement(
        target.label,
        target.kind,
        random_weights=is_random,
        load_seconds=max(cold - warm, 0.0),
        first_mask_seconds=warm,
        frames_per_second=(count - 1) / seconds if seconds > 0 and count > 1 else 0.0,
        memory=_peak_memory(),
        gpu_memory=_peak_gpu_memory(),
        j=None if is_random else scores.j,
        f=None if is_random else scores.f,
        num_frames=count,
    )


class _Scores:
    """Mean J and F of masks that come frame by frame; the truth is held encoded."""

    def __init__(self, truth: dict[int, dict[int, Rle]], given: set[tuple[int, int]]) -> None:
        self._truth = truth
        self._given = given
        self._values: list[tuple[float, float]] = []

    def add(self, masks: FrameMasks) -> None:
        """Score one frame."""
        from videoseg.metrics import boundary_f, region_j

        for object_id, by_frame in self._truth.items():
            true = by_frame.get(masks.frame)
            if true is None or (object_id, masks.frame) in self._given:
                continue
            empty = np.zeros(tuple(masks.size), dtype=bool)
            mask = masks.masks.get(object_id, empty)[None]
            target = true.decode()[None]
            self._values.append(
                (float(region_j(mask, target)[0]), float(boundary_f(mask, target)[0]))
            )

    @property
    def j(self) -> float | None:
        """Mean region similarity; None without truth."""
        return float(np.mean([j for j, _ in self._values])) if self._values else None

    @property
    def f(self) -> float | None:
        """Mean boundary measure; None without truth."""
        return float(np.mean([f for _, f in self._values])) if self._values else None


def _limit_threads(threads: int) -> None:
    import cv2

    cv2.setNumThreads(threads)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)


def _peak_memory() -> float:
    """Return the most memory that this process had, in MiB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, others KiB.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _peak_gpu_memory() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return float(torch.cuda.max_memory_allocated()) / 2**20
