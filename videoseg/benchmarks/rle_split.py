"""Splits made of ``meta_expressions.json``, ``mask_dict.json`` and folders of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from videoseg.benchmarks.expressions import Expression, ExpressionVideo, read_expressions
from videoseg.benchmarks.json_files import read_mapping
from videoseg.benchmarks.mask_dict import MaskDictTruths, check_masks, first_size
from videoseg.benchmarks.names import linked_folder
from videoseg.benchmarks.pictures import picture_files, picture_size
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.split import LoadedSplit, SplitVideo
from videoseg.benchmarks.types import Sample
from videoseg.metrics.protocol import EvalProtocol
from videoseg.types import Size

__all__ = ["GroupOf", "locate_videos", "no_group", "read_rle_split", "samples_of"]

GroupOf = Callable[[Expression], str]


def no_group(_expression: Expression) -> str:
    """Put every expression into one group."""
    return ""


def read_rle_split(
    name: str,
    root: Path,
    *,
    protocol: EvalProtocol,
    meta: Path,
    pictures: Path,
    masks: Path | None,
    foreground: Path | None = None,
    group_of: GroupOf = no_group,
    check_pictures: bool = True,
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
        group_of: The group of an expression.
        check_pictures: Whether the frames must be there; scoring alone needs none.

    Raises:
        EvaluationError: If something is wrong; all of it is listed.
    """
    problems = Problems(name, root)
    videos = read_expressions(meta, problems)
    encoded = None if masks is None else read_mapping(masks, problems)
    places = locate_videos(
        videos, pictures, problems, masks=encoded or {}, check_pictures=check_pictures
    )
    truths = None
    if masks is not None and encoded is not None:
        anno_ids = _anno_ids(meta, videos, problems)
        check_masks(masks, _tracks(masks, videos, places, encoded, problems), problems)
        united = None if foreground is None else _foreground(foreground, places, problems)
        truths = MaskDictTruths(encoded, anno_ids, united)
    problems.raise_any()
    return LoadedSplit(
        name,
        protocol=protocol,
        samples=samples_of(videos, group_of),
        videos=places,
        truths=truths,
    )


def samples_of(videos: Sequence[ExpressionVideo], group_of: GroupOf) -> list[Sample]:
    """Return one sample for each expression, in the file's order."""
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
    ]


def locate_videos(
    videos: Sequence[ExpressionVideo],
    pictures: Path,
    problems: Problems,
    *,
    masks: Mapping[str, Any],
    check_pictures: bool = True,
) -> dict[str, SplitVideo]:
    """Find the frames of every video; videos that something is wrong with are left out.

    The size is that of the first frame's header; the file's own size must agree with it.
    """
    pictures = linked_folder(pictures)
    if check_pictures and not pictures.is_dir():
        problems.add(pictures, "is no folder", fix="download the frames, or give the right root")
        check_pictures = False
    places: dict[str, SplitVideo] = {}
    for video in videos:
        folder = pictures / video.video_id
        if check_pictures:
            files = picture_files(folder, video.frames, problems)
            size = files and _checked_size(folder / files[0], video.size, problems)
        else:
            files = tuple(f"{frame}.jpg" for frame in video.frames)
            size = video.size or _size_of_masks(video, masks)
        if files and size:
            places[video.video_id] = SplitVideo(folder, files, video.frames, size)
        elif not check_pictures:
            problems.add(
                problems.root,
                f"nothing says how large the frames of video {video.video_id!r} are",
                fix="give the folder of frames, too",
            )
    return places


def _checked_size(picture: Path, expected: Size | None, problems: Problems) -> Size | None:
    size = picture_size(picture, problems)
    if size is None or expected is None or size == expected:
        return size
    problems.add(
        picture,
        f"is {size[0]}x{size[1]} but the benchmark says {expected[0]}x{expected[1]}",
        fix="use the frames of the benchmark, not resized",
    )
    return None


def _size_of_masks(video: ExpressionVideo, masks: Mapping[str, Any]) -> Size | None:
    for expression in video.expressions:
        for anno_id in expression.anno_ids or ():
            if (size := first_size(masks.get(anno_id))) is not None:
                return size
    return None


def _anno_ids(
    meta: Path, videos: Sequence[ExpressionVideo], problems: Problems
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for video in videos:
        for expression in video.expressions:
            if expression.anno_ids is None:
                problems.add(
                    meta,
                    f"video {video.video_id!r}, expression {expression.expression_id!r} has no "
                    "'anno_id'",
                    fix="this may be the file of another split, whose masks are not public",
                )
            else:
                found[f"{video.video_id}/{expression.expression_id}"] = expression.anno_ids
    return found


def _tracks(
    path: Path,
    videos: Sequence[ExpressionVideo],
    places: Mapping[str, SplitVideo],
    masks: Mapping[str, Any],
    problems: Problems,
) -> Iterator[tuple[str, Any, int, Size]]:
    for video in videos:
        wanted = dict.fromkeys(
            anno_id for expression in video.expressions for anno_id in expression.anno_ids or ()
        )
        for anno_id in wanted:
            if anno_id not in masks:
                problems.add(
                    path,
                    f"has no annotation {anno_id}, which video {video.video_id!r} refers to",
                    fix="download the masks of the same release",
                )
            elif video.video_id in places:
                what = f"annotation {anno_id} (video {video.video_id!r})"
                yield what, masks[anno_id], len(video.frames), places[video.video_id].size


def _foreground(
    path: Path, places: Mapping[str, SplitVideo], problems: Problems
) -> dict[str, Sequence[Any]]:
    document = read_mapping(path, problems) or {}
    found: dict[str, Sequence[Any]] = {}
    tracks = []
    for video_id, place in places.items():
        entry = document.get(video_id)
        if not isinstance(entry, dict) or "masks_rle" not in entry:
            problems.add(
                path, f"has no 'masks_rle' for video {video_id!r}", fix="download it again"
            )
            continue
        found[video_id] = entry["masks_rle"]
        what = f"foreground of video {video_id!r}"
        tracks.append((what, entry["masks_rle"], len(place.names), place.size))
    check_masks(path, tracks, problems)
    return found
