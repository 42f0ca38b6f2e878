"""``mask_dict.json``: masks by annotation id, one COCO RLE or null for each frame."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rles import RunChecker, rle_of, rle_problem
from videoseg.benchmarks.split import SplitVideo
from videoseg.benchmarks.types import Sample, Truth
from videoseg.types import Rle, Size

__all__ = ["MASKS_AGAIN", "MaskDictTruths", "MaskTrack", "find_bad_tracks", "first_size"]

MASKS_AGAIN = "download the masks again; they must be those of the same release"
"""What to do about a mask dictionary that does not fit."""


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
                int(anno_id): _track(self._masks[anno_id], video)
                for anno_id in self._anno_ids[sample.id]
            },
            foreground=None if foreground is None else _track(foreground, video),
            foreground_pixels=None if foreground is None else _pixels(foreground, video),
        )


class MaskTrack(NamedTuple):
    """Masks of a dictionary that are to be checked.

    Args:
        key: What identifies it to whoever asks.
        name: What it is called in messages.
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
    """Return what is wrong with each track whose length, sizes or runs do not fit its video.

    Only the first masks of a track that is longer than its video count, which is noted: the
    official scripts go through the frames and do not look further.
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
        # One problem for a track: the others are mostly the same.
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
        if (what := rle_problem(value, track.size)) is not None:
            return f", frame {frame}: {what}"
    return None


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


def _pixels(values: Sequence[Any], video: SplitVideo) -> tuple[int, ...] | None:
    """Return the pixels of all parts of each mask; None if no mask has several."""
    values = values[: len(video.names)]
    if not any(isinstance(value, list) and len(value) > 1 for value in values):
        return None
    return tuple(
        sum(
            rle.area
            for part in (value if isinstance(value, list) else [value])
            if (rle := rle_of(part, video.size)) is not None
        )
        for value in values
    )


def _track(values: Sequence[Any], video: SplitVideo) -> tuple[Rle | None, ...]:
    return tuple(rle_of(value, video.size) for value in values[: len(video.names)])
