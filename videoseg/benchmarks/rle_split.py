"""Splits made of ``meta_expressions.json``, ``mask_dict.json`` and folders of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg.benchmarks.expressions import (
    Expression,
    ExpressionVideo,
    read_expressions,
    sample_id,
)
from videoseg.benchmarks.json_files import read_mapping
from videoseg.benchmarks.mask_dict import (
    MASKS_AGAIN,
    MaskDictTruths,
    MaskTrack,
    find_bad_tracks,
    first_size,
)
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.split import LoadedSplit, VideoPlace
from videoseg.benchmarks.types import Sample
from videoseg.benchmarks.video_places import locate_videos, only_located
from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import shorten
from videoseg.types import Size

__all__ = ["GroupOf", "mask_track", "no_group", "read_rle_split", "samples_of", "type_group"]

GroupOf = Callable[[Expression], str]

# Of a video whose masks are all null, nothing is ever compared with a size.
_ANY_SIZE = (1, 1)


def no_group(_expression: Expression) -> str:
    """Put every expression into one group."""
    return ""


def type_group(types: Mapping[int, str]) -> GroupOf:
    """Return what puts expressions into groups by their ``type_id``; others get no group."""

    def group_of(expression: Expression) -> str:
        return "" if expression.type_id is None else types.get(expression.type_id, "")

    return group_of


def read_rle_split(
    name: str,
    root: Path,
    *,
    protocol: EvalProtocol,
    meta: Path,
    pictures: Path,
    masks: Path | None,
    foreground: Path | None = None,
    types: Mapping[int, str] | None = None,
    group_of: GroupOf = no_group,
    check_pictures: bool = True,
    notes: Sequence[str] = (),
) -> LoadedSplit:
    """Read a split and check it.

    Args:
        name: Benchmark and split.
        root: The folder the user gave; files in messages are relative to it.
        protocol: How it is scored.
        meta: The file of videos and expressions.
        pictures: The folder with one folder of frames for each video.
        masks: The mask dictionary; None if the masks are on the benchmark's server.
        foreground: All annotated foreground for each video, ``{"masks_rle": [...]}``.
        types: The ``type_id`` that an expression must have, and the groups; None for any.
        group_of: The group of an expression, where there are no ``types``.
        check_pictures: Whether the frames must be there; scoring alone needs none.
        notes: What whoever reads the scores should know about the data.

    Raises:
        EvaluationError: If the folder is not as it should be; all problems are listed.
    """
    problems = Problems(name, root)
    for note in notes:
        problems.note(note)
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
        united = None
        if foreground is not None:
            united = _foreground(foreground, only_located(videos, places), places, problems)
            places = {key: place for key, place in places.items() if key in united}
        anno_ids = _anno_ids(meta, masks, videos, places, encoded, problems)
        truths = MaskDictTruths(encoded, anno_ids, united)
    samples = samples_of(only_located(videos, places), group_of, anno_ids)
    problems.raise_any(len(samples))
    return LoadedSplit(
        name,
        protocol=protocol,
        samples=samples,
        videos=places,
        truths=truths,
        left_out=problems.left_out,
        notes=problems.notes,
    )


def samples_of(
    videos: Sequence[ExpressionVideo], group_of: GroupOf, known: Container[str] | None = None
) -> list[Sample]:
    """Return one sample for each expression, in the file's order.

    Args:
        videos: The videos with their expressions.
        group_of: The group of an expression.
        known: The ids of the samples that have a truth; None for all.
    """
    return [
        Sample(
            video.video_id,
            expression.expression_id,
            expression.text,
            group=group_of(expression),
            attributes=expression.attributes,
        )
        for video in videos
        for expression in video.expressions
        if known is None or sample_id(video, expression) in known
    ]


def mask_track(
    video: ExpressionVideo, place: VideoPlace, anno_id: str, masks: Mapping[str, Any]
) -> MaskTrack:
    """Return what is to be checked of an annotation of a video."""
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
                fix="download the file again, or correct it",
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
    """Return the annotations of each sample whose annotations are all there and sound."""
    bad = find_bad_tracks(
        (
            mask_track(video, places[video.video_id], anno_id, masks)
            for video in only_located(videos, places)
            for anno_id in dict.fromkeys(
                one for expression in video.expressions for one in expression.anno_ids or ()
            )
            if anno_id in masks
        ),
        problems,
    )
    found: dict[str, tuple[str, ...]] = {}
    # Samples that are left out for one annotation are told together.
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
                found[sample_id(video, expression)] = ids
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
