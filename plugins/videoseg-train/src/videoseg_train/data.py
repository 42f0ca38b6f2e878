"""Sets of training samples: from benchmarks, filtered, and the frames that they are shown on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from videoseg import ConfigError, Segmenter, Video, open_benchmark
from videoseg.benchmarks import BenchmarkSplit, Sample
from videoseg.benchmarks import Truth as BenchmarkTruth
from videoseg.masks import bounding_box, iou
from videoseg.plugins import Registry
from videoseg.types import (
    FrameGroup,
    FrameSelection,
    MaskTrack,
    Prompt,
    Rle,
    VideoSource,
    Window,
)
from videoseg_train.errors import TrainingDataError
from videoseg_train.samples import TrainingSample, Truth

__all__ = [
    "LabelFilter",
    "TargetFrameSampler",
    "TrainingSet",
    "best_frames",
    "label_quality",
    "target_frames",
]

_KEPT_SAMPLES = 32
"""Samples that a set remembers, so that one drawn twice in a row is read once."""

_LEAST_QUALITY = 0.6
"""Of ReVSeg (arXiv 2512.02835): below it, SAM 2 cannot follow the label from its true box."""

_SAME_OBJECT = 0.5
"""Mean IoU from which two tracks of a video are taken for the same object."""

_PIXELS = 28 * 28


class TrainingSet(Sequence[TrainingSample]):
    """Training samples that are made when they are asked for.

    The same sample object is returned while it is among the last 32 asked for.

    Args:
        name: What it is called in messages.
        length: How many samples there are.
        make: Makes the sample of a number.
        left_out: What is not among them, and why.

    Example:
        >>> clips = {"num_videos": 1, "size": (64, 64), "num_frames": 12}
        >>> samples = TrainingSet.open("synthetic", split="train", options=clips)
        >>> len(samples[0].video)
        12
    """

    def __init__(
        self,
        name: str,
        length: int,
        make: Callable[[int], TrainingSample],
        *,
        left_out: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.left_out = tuple(left_out)
        self._length = length
        self._make = lru_cache(maxsize=_KEPT_SAMPLES)(make)

    @staticmethod
    def open(
        benchmark: str,
        root: str | Path | None = None,
        split: str = "train",
        *,
        options: Mapping[str, Any] | None = None,
        registry: Registry | None = None,
    ) -> TrainingSet:
        """Return the samples of a benchmark's split; see ``videoseg.open_benchmark``."""
        opened = open_benchmark(benchmark, root, split, options=options, registry=registry)
        return TrainingSet.of_split(opened)

    @staticmethod
    def of_split(split: BenchmarkSplit) -> TrainingSet:
        """Return the samples of a split, with the video's other objects that are asked for.

        Samples without a query are left out. If only every n-th frame is annotated, the sample's
        video has these frames alone.

        Raises:
            TrainingDataError: If no sample has a query, or, once a sample is asked for, its truth
                is not published or does not fit its video.
        """
        asked = [sample for sample in split.samples if sample.query.strip()]
        left_out = [str(one) for one in getattr(split, "left_out", ())]
        left_out += [f"{one.id}: has no query" for one in split.samples if not one.query.strip()]
        if not asked:
            raise TrainingDataError(split.name, ["no sample has a query to train on"])
        neighbors: dict[str, list[Sample]] = {}
        for sample in asked:
            neighbors.setdefault(sample.video_id, []).append(sample)
        make = partial(_make_sample, split, asked, neighbors)
        return TrainingSet(split.name, len(asked), make, left_out=left_out)

    def keep(
        self,
        judge: Callable[[TrainingSample], bool],
        *,
        reason: str = "is filtered out",
        on_judged: Callable[[int, int], None] | None = None,
    ) -> TrainingSet:
        """Return the samples that a function returns True for; each is judged once, now.

        Args:
            judge: The function, such as a ``LabelFilter``.
            reason: Why the others are left out.
            on_judged: Called after each sample with how many have been judged and kept.

        Raises:
            TrainingDataError: If none is kept.
        """
        kept: list[int] = []
        left_out = [*self.left_out]
        for number in range(len(self)):
            sample = self[number]
            if judge(sample):
                kept.append(number)
            else:
                left_out.append(f"{sample.id}: {reason}")
            if on_judged is not None:
                on_judged(number + 1, len(kept))
        if not kept:
            raise TrainingDataError(self.name, [f"each of its {len(self)} samples {reason}"])
        return self.at(kept, left_out=left_out)

    def map(self, change: Callable[[TrainingSample], TrainingSample]) -> TrainingSet:
        """Return the samples as a function changes them, such as ``DifficultyRatings``."""
        return TrainingSet(
            self.name,
            len(self),
            lambda number: change(self[number]),
            left_out=self.left_out,
        )

    def at(self, numbers: Sequence[int], *, left_out: Sequence[str] | None = None) -> TrainingSet:
        """Return the samples of these numbers, in this order."""
        chosen = list(numbers)
        return TrainingSet(
            self.name,
            len(chosen),
            lambda number: self[chosen[number]],
            left_out=self.left_out if left_out is None else left_out,
        )

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> TrainingSample: ...

    @overload
    def __getitem__(self, index: slice) -> TrainingSet: ...

    def __getitem__(self, index: int | slice) -> TrainingSample | TrainingSet:
        numbers = range(self._length)
        if isinstance(index, slice):
            return self.at(numbers[index])
        return self._make(numbers[index])

    def __iter__(self) -> Iterator[TrainingSample]:
        return map(self._make, range(self._length))

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} training samples, {len(self.left_out)} left out>"


# -- benchmarks ------------------------------------------------------------------------------


def _make_sample(
    split: BenchmarkSplit,
    samples: Sequence[Sample],
    neighbors: Mapping[str, Sequence[Sample]],
    number: int,
) -> TrainingSample:
    sample = samples[number]
    truth = split.truth(sample)
    if truth is None:
        raise TrainingDataError(
            split.name,
            [f"the true masks of {sample.id} are not published: train on another split"],
        )
    video = _annotated_part(split, sample, truth)
    details: dict[str, Any] = dict(sample.attributes)
    if sample.group:
        details["group"] = sample.group

    def others() -> Truth:
        return _other_objects(split, sample, truth, neighbors[sample.video_id])

    return TrainingSample(
        f"{split.name}/{sample.id}",
        video,
        sample.query,
        _number(truth.objects, truth),
        details,
        others,
    )


def _annotated_part(split: BenchmarkSplit, sample: Sample, truth: BenchmarkTruth) -> VideoSource:
    """Return the annotated frames of a sample's video, as a video."""
    video = split.video(sample.video_id)
    problem = ""
    if tuple(truth.size) != tuple(video.size):
        problem = f"the true masks are of size {truth.size}, but the frames of {video.size}"
    frames = sorted(set(truth.frames))
    if frames == list(range(len(video))):
        part: VideoSource = video
    else:
        steps = set(np.diff(frames).tolist()) or {1}
        if len(steps) != 1 or not isinstance(video, Video):
            problem = problem or "the annotated frames are not evenly spaced"
        else:
            part = video[frames[0] : frames[-1] + 1 : steps.pop()]
    if problem:
        raise TrainingDataError(split.name, [f"{sample.id}: {problem}; leave the sample out"])
    return part


def _number(
    objects: Mapping[int, Sequence[Rle | None]], truth: BenchmarkTruth, first: int = 1
) -> dict[int, MaskTrack]:
    """Return tracks with ids counted from ``first``: those of a benchmark may begin at 0."""
    # A frame that is listed twice has its mask twice.
    places = {frame: place for place, frame in enumerate(truth.frames)}
    order = [places[frame] for frame in sorted(places)]
    return {
        number: MaskTrack(number, truth.size, tuple(_shown(masks[place]) for place in order))
        for number, masks in enumerate(objects.values(), start=first)
    }


def _shown(rle: Rle | None) -> Rle | None:
    """Return a mask; None if it has no pixel, as files have it of objects that are hidden."""
    return rle if rle is not None and rle.area else None


def _other_objects(
    split: BenchmarkSplit, sample: Sample, truth: BenchmarkTruth, neighbors: Sequence[Sample]
) -> Truth:
    """Return the objects that other queries on the video mean and this one does not."""
    found: dict[int, Sequence[Rle | None]] = {}
    for other in neighbors:
        there = None if other.id == sample.id else split.truth(other)
        if there is not None and there.frames == truth.frames and there.size == truth.size:
            found |= there.objects
    # Ids are the same for the same object in most benchmarks, but not in all.
    mine = _number(truth.objects, truth)
    tracks: list[MaskTrack] = []
    others = {key: masks for key, masks in found.items() if key not in truth.objects}
    for track in _number(others, truth, first=len(mine) + 1).values():
        if all(_mean_iou(track, known) < _SAME_OBJECT for known in (*mine.values(), *tracks)):
            tracks.append(track)
    return {track.object_id: track for track in tracks}


def _mean_iou(first: MaskTrack, second: MaskTrack) -> float:
    frames = sorted({*first.visible_frames, *second.visible_frames})
    return float(np.mean([iou(first.mask(f), second.mask(f)) for f in frames])) if frames else 1.0


# -- quality of labels -----------------------------------------------------------------------


def label_quality(segmenter: Segmenter, sample: TrainingSample, *, num_frames: int = 8) -> float:
    """Return how well the true boxes lead a segmenter to the true masks.

    Args:
        segmenter: The segmenter.
        sample: The sample.
        num_frames: On how many frames of each object, evenly spaced among those where it shows.

    Returns:
        The mean IoU over objects and frames, in [0, 1]; 1 if nothing is to be found.
    """
    ious: list[float] = []
    for track in sample.tracks().values():
        for frame in _spread(_nonempty(track), num_frames):
            mask = track.mask(frame)
            prompt = Prompt(track.object_id, frame, box=bounding_box(mask))
            [found] = segmenter.segment(sample.video, [prompt])
            ious.append(iou(found.mask, mask))
    return float(np.mean(ious)) if ious else 1.0


class LabelFilter:
    """Says whether a sample's true masks can be trusted.

    The segmenter that the policy will prompt must find them from their true boxes; a sample of
    which it cannot would punish right answers (ReVSeg: SAM 2, mean IoU of 0.6).

    Args:
        segmenter: The segmenter.
        least_iou: The least mean IoU, in [0, 1].
        num_frames: On how many frames of each object.

    Raises:
        ConfigError: If a number is out of range.
    """

    def __init__(
        self, segmenter: Segmenter, *, least_iou: float = _LEAST_QUALITY, num_frames: int = 8
    ) -> None:
        if not 0 <= least_iou <= 1 or num_frames < 1:
            raise ConfigError(
                "a label filter needs least_iou in [0, 1] and num_frames of at least 1, got "
                f"{least_iou} and {num_frames}"
            )
        self._segmenter, self._least_iou, self._num_frames = segmenter, least_iou, num_frames

    def __call__(self, sample: TrainingSample) -> bool:
        """Return whether the sample is to be kept."""
        quality = label_quality(self._segmenter, sample, num_frames=self._num_frames)
        return quality >= self._least_iou


# -- frames ----------------------------------------------------------------------------------


def target_frames(sample: TrainingSample) -> tuple[int, ...]:
    """Return the frames where all true objects show; none if there are no objects."""
    shows = [set(_nonempty(track)) for track in sample.tracks().values()]
    return tuple(sorted(set.intersection(*shows))) if shows else ()


def best_frames(sample: TrainingSample) -> tuple[int, ...]:
    """Return ``target_frames``; where they are none, the frames with the most objects.

    All frames if no object ever shows.
    """
    counts = np.zeros(len(sample.video), dtype=int)
    for track in sample.tracks().values():
        counts[list(_nonempty(track))] += 1
    return tuple(np.flatnonzero(counts == counts.max()).tolist())


class TargetFrameSampler:
    """Shows a random frame on which all true objects show as the keyframe, and random others.

    In VideoSeg-R1's training the sampler does not choose: the target frame is drawn among those
    where every object shows, beside 8 to 12 random context frames (as in VISA). It knows the
    samples by their video's name and their query.

    Args:
        samples: The samples that it will be asked for, such as those of one step.
        num_context: The least and the largest number of context frames.
        context_pixels: Upper bound on height x width at which a context frame is shown; 448 x 448
            as in ReVSeg.
        target_pixels: The same of the target frame; 840 x 840 as in VisionReasoner.

    Raises:
        ConfigError: If ``num_context`` is no range.
    """

    def __init__(
        self,
        samples: Iterable[TrainingSample],
        *,
        num_context: tuple[int, int] = (8, 12),
        context_pixels: int = 256 * _PIXELS,
        target_pixels: int = 900 * _PIXELS,
    ) -> None:
        if not 0 <= num_context[0] <= num_context[1]:
            raise ConfigError(f"num_context must be (least, most), got {num_context}")
        self._samples = {(sample.video.name, sample.query): sample for sample in samples}
        self._num_context = num_context
        self._pixels = (context_pixels, target_pixels)

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        """Choose frames of the window; see ``FrameSampler.sample``.

        Raises:
            ConfigError: If the query on this video is none of the samples.
        """
        sample = self._samples.get((video.name, query))
        if sample is None:
            raise ConfigError(f"{query!r} on {video.name!r} is none of the sampler's samples")
        rng = np.random.default_rng(seed % 2**63)
        if keyframe is None:
            inside = [frame for frame in best_frames(sample) if frame in window]
            keyframe = int(rng.choice(inside or list(window)))
        rest = [frame for frame in window if frame != keyframe]
        count = min(int(rng.integers(self._num_context[0], self._num_context[1] + 1)), len(rest))
        groups = [FrameGroup("keyframe", (keyframe,), self._pixels[1])]
        if count:
            context = sorted(rng.choice(rest, count, replace=False).tolist())
            groups.insert(0, FrameGroup("context", tuple(context), self._pixels[0]))
        return FrameSelection(tuple(groups), window, reason="Drawn at random for training.")


def _nonempty(track: MaskTrack) -> tuple[int, ...]:
    """Return the frames on which a track has a pixel; some files write empty masks."""
    return tuple(frame for frame, area in enumerate(track.areas) if area)


def _spread(frames: Sequence[int], count: int) -> list[int]:
    if len(frames) <= count:
        return list(frames)
    return [frames[place] for place in np.linspace(0, len(frames) - 1, count).round().astype(int)]
