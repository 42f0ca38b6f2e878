"""``mask_dict.json``: masks by annotation id, one COCO RLE or null for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rles import RunChecker, rle_of, rle_problem
from videoseg.benchmarks.split import SplitVideo
from videoseg.benchmarks.types import Sample, Truth
from videoseg.types import Rle, Size

__all__ = ["MaskDictTruths", "check_masks", "first_size"]

_AGAIN = "download the masks again; they must be those of the same release"


class MaskDictTruths:
    """Truth from a mask dictionary. Masks stay encoded until somebody decodes them.

    Args:
        masks: For each annotation id one encoding or None for each frame; already checked.
        anno_ids: For each sample's id the annotations it means; none: no target.
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
        """Return the annotations a sample means, each as one object."""
        foreground = self._foreground.get(sample.video_id)
        return Truth(
            size=video.size,
            frames=tuple(range(len(video.names))),
            objects={
                int(anno_id): _track(self._masks[anno_id], video.size)
                for anno_id in self._anno_ids[sample.id]
            },
            foreground=None if foreground is None else _track(foreground, video.size),
            foreground_pixels=None if foreground is None else _pixels(foreground, video.size),
        )


def check_masks(
    path: Path,
    tracks: Iterable[tuple[str, Any, int, Size]],
    problems: Problems,
) -> None:
    """Check tracks of masks: their length, sizes, and that runs fill their frames.

    Args:
        path: The file they are from.
        tracks: What each is called, its encodings, the video's number of frames and size.
        problems: Where what is wrong is noted.
    """
    checker = RunChecker()
    for name, track, num_frames, size in tracks:
        if not isinstance(track, list) or len(track) != num_frames:
            found = f"{len(track)} masks" if isinstance(track, list) else type(track).__name__
            problems.add(
                path, f"{name} has {found} but the video has {num_frames} frames", fix=_AGAIN
            )
            continue
        for frame, value in enumerate(track):
            if (what := rle_problem(value, size)) is not None:
                # One problem for a track: the others are mostly the same.
                problems.add(path, f"{name}, frame {frame}: {what}", fix=_AGAIN)
                break
            checker.add(value, size, (name, frame))
    checker.finish(
        lambda place, what: problems.add(path, f"{place[0]}, frame {place[1]}: {what}", fix=_AGAIN)
    )


def first_size(track: Any) -> Size | None:
    """Return the size that the first mask of a track claims, if there is one."""
    values = track if isinstance(track, list) else []
    for value in values:
        one = value[0] if isinstance(value, list) and value else value
        size = one.get("size") if isinstance(one, dict) else None
        if (
            isinstance(size, (list, tuple))
            and len(size) == 2
            and all(type(length) is int and length > 0 for length in size)
        ):
            return (size[0], size[1])
    return None


def _pixels(values: Sequence[Any], size: Size) -> tuple[int, ...] | None:
    """Return the pixels of all parts of each mask; None if no mask has several."""
    if not any(isinstance(value, list) and len(value) > 1 for value in values):
        return None
    return tuple(
        sum(
            rle.area
            for part in (value if isinstance(value, list) else [value])
            if (rle := rle_of(part, size)) is not None
        )
        for value in values
    )


def _track(values: Sequence[Any], size: Size) -> tuple[Rle | None, ...]:
    return tuple(rle_of(value, size) for value in values)
