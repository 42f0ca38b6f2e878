"""The samples worth looking at, with pictures of where answer and truth agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError, VideosegError
from videoseg.evaluation.records import Record
from videoseg.evaluation.report.data import EvaluationReport, SampleRow
from videoseg.masks.colors import object_color
from videoseg.metrics.resize import resized_nearest
from videoseg.stages import Closable
from videoseg.types import BoolArray, Frame, MaskTrack, Rle, Size

__all__ = [
    "FALSE_ALARM",
    "HIT",
    "MISSED",
    "MOST_OF_ONE_VIDEO",
    "Example",
    "ExamplePicture",
    "choose",
    "illustrate",
]

# Object ids, which are what colors depend on: bluish green, vermilion, blue.
HIT, FALSE_ALARM, MISSED = 3, 7, 6

MOST_OF_ONE_VIDEO = 3
"""How many samples of one video are among the best, and among the worst."""

_FRAMES = 4
_OPACITY = 0.6
_SIDE, _BYTES = 400, 24_000


@dataclass(frozen=True, slots=True)
class ExamplePicture:
    """One frame of a sample.

    Args:
        frame: Its index.
        uri: A JPEG as a ``data:`` address.
        size: (height, width) of the picture.
        j: J of the frame; None if there is no truth.
    """

    frame: int
    uri: str
    size: Size
    j: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """A sample with its pictures; none if its video cannot be read."""

    row: SampleRow
    pictures: tuple[ExamplePicture, ...]


def choose(report: EvaluationReport, count: int = 6) -> tuple[list[SampleRow], list[SampleRow]]:
    """Return the best and the worst samples that did not fail, never one in both.

    Of one video at most ``MOST_OF_ONE_VIDEO`` are taken, or its expressions would fill the page.
    Ties are broken by the size of the target, larger first, and then by id: what is large is
    easier to look at, and the choice is the same every time.
    """
    measure = report.main_measure
    rows = [row for row in report.samples if row.error is None and measure in row.values]

    def rank(row: SampleRow, sign: int) -> tuple[float, float, str]:
        area = row.target.area_share if row.target is not None else 0.0
        return (sign * row.values[measure], -area, row.sample)

    count = min(count, (len(rows) + 1) // 2)
    worst = _first(sorted(rows, key=lambda row: rank(row, 1)), count)
    taken = {row.sample for row in worst}
    left = [row for row in rows if row.sample not in taken]
    return _first(sorted(left, key=lambda row: rank(row, -1)), count), worst


def _first(rows: Sequence[SampleRow], count: int) -> list[SampleRow]:
    """Return the first rows, of each video at most ``MOST_OF_ONE_VIDEO``."""
    shown: Counter[str] = Counter()
    found: list[SampleRow] = []
    for row in rows:
        shown[row.video_id] += 1
        if shown[row.video_id] <= MOST_OF_ONE_VIDEO and len(found) < count:
            found.append(row)
    return found


def illustrate(
    rows: Sequence[SampleRow], records: Iterable[Record], split: BenchmarkSplit
) -> dict[str, Example]:
    """Draw pictures of some samples.

    Args:
        rows: The samples.
        records: Their records with masks; others are passed over.
        split: Where videos and truth are.
    """
    wanted = {row.sample: row for row in rows}
    samples = {sample.id: sample for sample in split.samples if sample.id in wanted}
    found: dict[str, Example] = {}
    for record in records:
        row, sample = wanted.get(record.sample), samples.get(record.sample)
        if row is None or sample is None or record.failed:
            continue
        try:
            found[record.sample] = Example(row, _pictures(record, sample, split))
        except VideosegError:
            # The report is about scores; a video that has gone since costs its pictures only.
            found[record.sample] = Example(row, ())
    return found


def _pictures(record: Record, sample: Sample, split: BenchmarkSplit) -> tuple[ExamplePicture, ...]:
    from videoseg.results.thumbnails import spread

    truth = split.truth(sample)
    video = split.video(sample.video_id)
    try:
        frames = spread(truth.frames if truth is not None else range(len(video)), _FRAMES)
        images = video.read(frames)
    finally:
        if isinstance(video, Closable):
            video.close()
    if any(len(track.masks) <= max(frames, default=0) for track in record.tracks):
        raise EvaluationError(f"the record of {record.sample} has masks of fewer frames")
    return tuple(
        _picture(index, image, record.tracks, truth)
        for index, image in zip(frames, images, strict=True)
    )


def _picture(
    index: int, image: Frame, tracks: Sequence[MaskTrack], truth: Truth | None
) -> ExamplePicture:
    from videoseg.results.thumbnails import Picture, jpeg_data_uri

    size = (int(image.shape[0]), int(image.shape[1]))
    pred = _union([track.masks[index] for track in tracks], size)
    j = None
    masks = {HIT: pred}
    if truth is not None and tuple(truth.size) == size:
        place = truth.frames.index(index)
        true = _union([masks[place] for masks in truth.objects.values()], size)
        hit = pred & true
        union = np.count_nonzero(pred | true)
        j = float(np.count_nonzero(hit) / union) if union else 1.0
        masks = {HIT: hit, FALSE_ALARM: pred & ~true, MISSED: true & ~pred}
    small = Picture(index, image, {k: m for k, m in masks.items() if m.any()}, size).fitted(_SIDE)
    drawn = _painted(small.image, small.masks)
    return ExamplePicture(
        index, jpeg_data_uri(drawn, _BYTES), (int(drawn.shape[0]), int(drawn.shape[1])), j
    )


def _painted(image: Frame, masks: Mapping[int, BoolArray]) -> Frame:
    """Fill masks that do not overlap; outlines would hide the slivers that matter here."""
    painted = image.astype(np.float32)
    for color_id, mask in masks.items():
        color = np.array(object_color(color_id), np.float32)
        painted[mask] = (1 - _OPACITY) * painted[mask] + _OPACITY * color
    return np.asarray(painted.round(), np.uint8)


def _union(rles: Sequence[Rle | None], size: Size) -> BoolArray:
    union = np.zeros(size, dtype=bool)
    for rle in rles:
        if rle is not None:
            mask = rle.decode()
            # Predictions of another size are here only if the protocol resizes them.
            union |= mask if mask.shape == tuple(size) else resized_nearest(mask, size)
    return union
