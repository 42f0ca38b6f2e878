"""The best and the worst samples, with pictures that compare answer and ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError, VideosegError
from videoseg.evaluation.records import Record
from videoseg.evaluation.report.data import EvaluationReport, SampleRow
from videoseg.masks import union_of_rles
from videoseg.masks.colors import object_color
from videoseg.metrics.task import fitted_masks
from videoseg.stages import Closable
from videoseg.types import BoolArray, Frame, MaskTrack, Rle, Size

__all__ = [
    "FALSE_ALARM",
    "HIT",
    "MISSED",
    "MOST_OF_ONE_VIDEO",
    "ExamplePicture",
    "choose",
    "illustrate",
]

# Object ids, which select the colors: bluish green, vermilion, blue.
HIT, FALSE_ALARM, MISSED = 3, 7, 6

MOST_OF_ONE_VIDEO = 3
"""Most samples of one video among the best, and among the worst."""

_FRAMES = 4
_OPACITY = 0.6
_FADED = 0.75  # how far the colors of the frame are taken from it
_SIDE, _BYTES = 400, 24_000


@dataclass(frozen=True, slots=True)
class ExamplePicture:
    """One frame of a sample.

    Args:
        uri: A JPEG as a ``data:`` address.
        width: Its width in pixels.
        height: Its height.
        alt: What it shows, such as ``frame 12``.
        j: J of the frame; None without ground truth.
    """

    uri: str
    width: int
    height: int
    alt: str
    j: float | None


def choose(report: EvaluationReport, count: int = 6) -> tuple[list[SampleRow], list[SampleRow]]:
    """Return the best and the worst samples that did not fail, never one in both.

    At most ``MOST_OF_ONE_VIDEO`` samples are of one video, or its expressions would fill the
    page. Of equal samples, the one with the larger target comes first, which is easier to see,
    and then the one with the lower id, so that the choice is reproducible.
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
    """Return the first rows, at most ``MOST_OF_ONE_VIDEO`` of each video."""
    shown: Counter[str] = Counter()
    found: list[SampleRow] = []
    for row in rows:
        shown[row.video_id] += 1
        if shown[row.video_id] <= MOST_OF_ONE_VIDEO and len(found) < count:
            found.append(row)
    return found


def illustrate(
    rows: Sequence[SampleRow], records: Iterable[Record], split: BenchmarkSplit
) -> dict[str, tuple[ExamplePicture, ...]]:
    """Draw pictures of some samples, by the id of the sample; none if a video cannot be read.

    Args:
        rows: The samples.
        records: Their records with masks; other records are ignored.
        split: Where videos and ground truth are.
    """
    wanted = {row.sample for row in rows}
    samples = {sample.id: sample for sample in split.samples if sample.id in wanted}
    found: dict[str, tuple[ExamplePicture, ...]] = {}
    for record in records:
        sample = samples.get(record.sample)
        if sample is None or record.failed:
            continue
        try:
            found[record.sample] = _pictures(record, sample, split)
        except VideosegError:
            # The report is about scores: if a video is gone, only its pictures are missing.
            found[record.sample] = ()
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
    small = Picture(index, image, {k: m for k, m in masks.items() if m.any()}).fitted(_SIDE)
    drawn = _paint(small.image, small.masks)
    height, width = drawn.shape[:2]
    return ExamplePicture(jpeg_data_uri(drawn, _BYTES), width, height, f"frame {index}", j)


def _paint(image: Frame, masks: Mapping[int, BoolArray]) -> Frame:
    """Fill masks that do not overlap; outlines would hide thin errors.

    The frame is gray, so that the fills have the colors of the legend, whatever those of the
    objects are.
    """
    import cv2

    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)[..., None]
    painted = (1 - _FADED) * image.astype(np.float32) + _FADED * gray
    for color_id, mask in masks.items():
        color = np.array(object_color(color_id), np.float32)
        painted[mask] = (1 - _OPACITY) * gray[mask] + _OPACITY * color
    return np.asarray(painted.round(), np.uint8)


def _union(rles: Sequence[Rle | None], size: Size) -> BoolArray:
    # Predictions of another size get here only if the protocol resizes them.
    return union_of_rles(fitted_masks(rles, size), size=size).decode()
