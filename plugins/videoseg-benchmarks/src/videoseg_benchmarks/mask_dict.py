"""Splits whose truth is ``mask_dict.json``.

A mask dictionary has masks by annotation id, one COCO RLE or null for each frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from videoseg.benchmarks import (
    FILE_AGAIN,
    Expression,
    ExpressionVideo,
    LoadedSplit,
    Problems,
    Sample,
    SplitVideo,
    Truth,
    VideoPlace,
    find_rle_problem,
    make_samples,
    make_split,
    parse_rle,
    read_mapping,
    read_stated_size,
)
from videoseg.metrics import EvalProtocol
from videoseg.text import shorten
from videoseg.types import Rle, RunChecker, Size
from videoseg_benchmarks.expressions import no_group, read_expressions, type_group
from videoseg_benchmarks.videos import locate_videos, located_videos

__all__ = [
    "MASKS_AGAIN",
    "MaskDictTruths",
    "MaskTrack",
    "find_bad_tracks",
    "first_size",
    "mask_track",
    "read_rle_split",
]

MASKS_AGAIN = "download the masks again; they must be those of the same release"
"""Remedy for a mask dictionary that does not match the rest."""


class MaskDictTruths:
    """Truth from a mask dictionary. Masks stay encoded.

    Args:
        masks: For each annotation id one encoding or None for each frame; already checked.
        anno_ids: For each sample's id the annotations it refers to; empty: no target.
        foreground: For each video all its annotated foreground, in the same form.
    """

    def __init__(
        self,
        masks: Mapping[str, Sequence[Any]],
        anno_ids: Mapping[str, Sequence[str]],
        foreground: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self._masks = masks
        self._anno_ids = anno_ids
        self._foreground = foreground or {}

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Return the annotations a sample refers to, each as one object."""
        foreground = self._foreground.get(sample.video_id)
        return Truth(
            size=video.size,
            frames=tuple(range(len(video.names))),
            objects={
                int(anno_id): _track(self._masks[anno_id], video)
                for anno_id in self._anno_ids[sample.id]
            },
            foreground=None if foreground is None else _track(foreground, video),
            foreground_pixels=None if foreground is None else _pixels(foreground, video),
        )


class MaskTrack(NamedTuple):
    """One track of a mask dictionary, to be checked.

    Args:
        key: Its key in the result of ``find_bad_tracks``.
        name: Its name in messages.
        masks: One encoding or None for each frame.
        num_frames: The video's number of frames.
        size: (height, width) of its frames.
    """

    key: Hashable
    name: str
    masks: Any
    num_frames: int
    size: Size


def find_bad_tracks(tracks: Iterable[MaskTrack], problems: Problems) -> dict[Hashable, str]:
    """Return the problem of each track whose length, sizes or runs do not match its video.

    If a track is longer than its video, the masks beyond the last frame are ignored, as in the
    official scripts, and a note is added.
    """
    checker = RunChecker()
    found: dict[Hashable, str] = {}
    longer: list[str] = []
    for track in tracks:
        what = _bad_form(track)
        if what is not None:
            found[track.key] = f"{track.name}{what}"
            continue
        if len(track.masks) > track.num_frames:
            longer.append(f"{track.name} has {len(track.masks)} masks for {track.num_frames}")
        for frame, value in enumerate(track.masks[: track.num_frames]):
            checker.add(value, track.size, (track, frame))

    def report(place: tuple[MaskTrack, int], what: str) -> None:
        track, frame = place
        # One problem for each track: further ones are mostly the same.
        found.setdefault(track.key, f"{track.name}, frame {frame}: {what}")

    checker.finish(report)
    if longer:
        problems.note(
            f"masks beyond the last frame of a video are not read: {longer[0]} frames"
            + (f", and {len(longer) - 1} more have too many" if longer[1:] else "")
        )
    return found


def _bad_form(track: MaskTrack) -> str | None:
    masks, num_frames = track.masks, track.num_frames
    if not isinstance(masks, list):
        return f" is a {type(masks).__name__}, not a list with a mask for each frame"
    if len(masks) < num_frames:
        return f" has {len(masks)} masks but the video has {num_frames} frames"
    for frame, value in enumerate(masks[:num_frames]):
        if isinstance(value, list) and any(isinstance(part, list) for part in value):
            return f", frame {frame}: the parts of a mask must not be lists"
        if (what := find_rle_problem(value, track.size)) is not None:
            return f", frame {frame}: {what}"
    return None


def first_size(track: Any) -> Size | None:
    """Return the size stated by the first mask of a track; None if there is none."""
    values = track if isinstance(track, list) else []
    for value in values:
        size = read_stated_size(value[0] if isinstance(value, list) and value else value)
        if size is not None and min(size) > 0:
            return size
    return None


def _pixels(values: Sequence[Any], video: SplitVideo) -> tuple[int, ...] | None:
    """Return the summed areas of the parts of each mask; None if no mask has several parts."""
    values = values[: len(video.names)]
    if not any(isinstance(value, list) and len(value) > 1 for value in values):
        return None
    return tuple(
        sum(
            rle.area
            for part in (value if isinstance(value, list) else [value])
            if (rle := parse_rle(part, video.size)) is not None
        )
        for value in values
    )


def _track(values: Sequence[Any], video: SplitVideo) -> tuple[Rle | None, ...]:
    return tuple(parse_rle(value, video.size) for value in values[: len(video.names)])


# The size of a video whose masks are all null is never compared with anything.
_ANY_SIZE = (1, 1)


def read_rle_split(
    problems: Problems,
    *,
    protocol: EvalProtocol,
    meta: Path,
    pictures: Path,
    masks: Path | None,
    foreground: Path | None = None,
    types: Mapping[int, str] | None = None,
    group_of: Callable[[Expression], str] = no_group,
    check_pictures: bool = True,
) -> LoadedSplit:
    """Read a split and check it.

    Args:
        problems: What is read, and where problems are noted.
        protocol: How it is scored.
        meta: The file that lists videos and expressions.
        pictures: The folder with one folder of frames for each video.
        masks: The mask dictionary; None if the masks are on the benchmark's server.
        foreground: The file of all annotated foreground of each video, ``{"masks_rle": [...]}``.
        types: The allowed ``type_id`` of expressions, with their groups; None for any.
        group_of: The group of an expression, if there are no ``types``.
        check_pictures: Whether the frames must exist; scoring alone needs none.

    Raises:
        EvaluationError: If the folder has another layout; all problems are listed.
    """
    videos = read_expressions(meta, problems)
    if types is not None:
        videos = _of_types(meta, videos, types, problems)
        group_of = type_group(types)
    encoded = {} if masks is None else read_mapping(masks, problems) or {}
    places = locate_videos(
        videos,
        pictures,
        problems,
        check_pictures=check_pictures,
        size_of=lambda video: _size_of_masks(video, encoded),
    )
    truths = anno_ids = None
    if masks is not None:
        all_masks = None
        if foreground is not None:
            all_masks = _foreground(foreground, located_videos(videos, places), places, problems)
            places = {key: place for key, place in places.items() if key in all_masks}
        anno_ids = _anno_ids(meta, masks, videos, places, encoded, problems)
        truths = MaskDictTruths(encoded, anno_ids, all_masks)
    samples = make_samples(located_videos(videos, places), group_of, anno_ids)
    return make_split(problems, protocol=protocol, samples=samples, videos=places, truths=truths)


def mask_track(
    video: ExpressionVideo, place: VideoPlace, anno_id: str, masks: Mapping[str, Any]
) -> MaskTrack:
    """Return an annotation of a video as a track to be checked."""
    return MaskTrack(
        (video.video_id, anno_id),
        f"annotation {anno_id} (video {video.video_id!r})",
        masks.get(anno_id),
        len(video.frames),
        place.size or _ANY_SIZE,
    )


def _of_types(
    meta: Path, videos: Sequence[ExpressionVideo], types: Mapping[int, str], problems: Problems
) -> list[ExpressionVideo]:
    allowed = ", ".join(f"{number} ({group})" for number, group in types.items())
    found = []
    for video in videos:
        kept = []
        for expression in video.expressions:
            if expression.type_id in types:
                kept.append(expression)
                continue
            problems.leave_out(
                meta,
                f"video {video.video_id!r}, expression {expression.expression_id!r} has the "
                f"type_id {shorten(expression.fields.get('type_id'))}; known are {allowed}",
                fix=FILE_AGAIN,
            )
        found.append(replace(video, expressions=tuple(kept)))
    return found


def _size_of_masks(video: ExpressionVideo, masks: Mapping[str, Any]) -> Size | None:
    for expression in video.expressions:
        for anno_id in expression.anno_ids or ():
            if (size := first_size(masks.get(anno_id))) is not None:
                return size
    return None


def _anno_ids(
    meta: Path,
    path: Path,
    videos: Sequence[ExpressionVideo],
    places: Mapping[str, VideoPlace],
    masks: Mapping[str, Any],
    problems: Problems,
) -> dict[str, tuple[str, ...]]:
    """Return the annotations of each sample whose annotations all exist and are valid."""
    bad = find_bad_tracks(
        (
            mask_track(video, places[video.video_id], anno_id, masks)
            for video in located_videos(videos, places)
            for anno_id in dict.fromkeys(
                one for expression in video.expressions for one in expression.anno_ids or ()
            )
            if anno_id in masks
        ),
        problems,
    )
    found: dict[str, tuple[str, ...]] = {}
    # Samples that are left out because of one annotation are reported together.
    odd: Counter[str] = Counter()
    for video in videos:
        # The samples of a video that is left out have been counted already.
        count = int(video.video_id in places)
        for expression in video.expressions:
            ids = expression.anno_ids
            if ids is None:
                problems.leave_out(
                    meta,
                    f"video {video.video_id!r}, expression {expression.expression_id!r} has no "
                    "'anno_id'",
                    fix="this may be the file of another split, whose masks are not public",
                    num_samples=count,
                )
                continue
            reasons = (
                bad.get((video.video_id, one))
                if one in masks
                else f"has no annotation {one}, which video {video.video_id!r} refers to"
                for one in ids
            )
            reason = next((reason for reason in reasons if reason), None)
            if reason is not None:
                odd[reason] += count
            else:
                found[expression.sample_id] = ids
    for reason, num_samples in odd.items():
        problems.leave_out(path, reason, fix=MASKS_AGAIN, num_samples=num_samples)
    return found


def _foreground(
    path: Path,
    videos: Sequence[ExpressionVideo],
    places: Mapping[str, VideoPlace],
    problems: Problems,
) -> dict[str, Sequence[Any]]:
    document = read_mapping(path, problems) or {}
    found: dict[str, Sequence[Any]] = {}
    tracks = []
    num_samples = {video.video_id: len(video.expressions) for video in videos}
    for video in videos:
        entry = document.get(video.video_id)
        if not isinstance(entry, dict) or "masks_rle" not in entry:
            problems.leave_out(
                path,
                f"has no 'masks_rle' for video {video.video_id!r}",
                fix=MASKS_AGAIN,
                num_samples=num_samples[video.video_id],
            )
            continue
        found[video.video_id] = entry["masks_rle"]
        tracks.append(
            MaskTrack(
                video.video_id,
                f"foreground of video {video.video_id!r}",
                entry["masks_rle"],
                len(video.frames),
                places[video.video_id].size or _ANY_SIZE,
            )
        )
    for video_id, reason in find_bad_tracks(tracks, problems).items():
        del found[str(video_id)]
        count = num_samples[str(video_id)]
        problems.leave_out(path, reason, fix=MASKS_AGAIN, num_samples=count)
    return found
