"""Truth that benchmarks keep as pictures, read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from videoseg.benchmarks.frame_numbers import check_frame_names
from videoseg.benchmarks.mask_pictures import VOID, read_ids, read_mask
from videoseg.benchmarks.split import SplitVideo
from videoseg.benchmarks.types import Sample, Truth
from videoseg.errors import EvaluationError
from videoseg.types import IntArray, Rle, Size

__all__ = ["ANNOTATIONS_AGAIN", "IdPictureTruths", "IdTracks", "MaskFolderTruths"]

ANNOTATIONS_AGAIN = "download the annotations again"
"""What to do about a true mask that cannot be read."""


class IdTracks:
    """Gathers the objects of a video from its pictures of ids, one frame after another.

    Where a video has no other id than 255, its pictures are masks of one object with the values
    0 and 255, and that object gets the id 1. Otherwise 255 is void.

    Args:
        length: The number of frames.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._tracks: dict[int, list[Rle | None]] = {}

    def add(self, place: int, ids: IntArray, *, where: str) -> None:
        """Take one picture, shape (H, W), as frame ``place``.

        Raises:
            EvaluationError: If it holds more ids than any video has objects.
        """
        for object_id in (int(one) for one in np.unique(ids)):
            if object_id == 0:
                continue
            if object_id < 0 or (object_id not in self._tracks and len(self._tracks) > VOID):
                raise EvaluationError(
                    f"{where} holds the id {object_id} after {len(self._tracks)} others; write "
                    "ids from 1, one for each object"
                )
            track = self._tracks.setdefault(object_id, [None] * self._length)
            track[place] = Rle.encode(ids == object_id)

    def objects(self) -> dict[int, tuple[Rle | None, ...]]:
        """Each object's masks, by ascending id."""
        if set(self._tracks) == {VOID}:
            return {1: tuple(self._tracks[VOID])}
        return {
            object_id: tuple(track)
            for object_id, track in sorted(self._tracks.items())
            if object_id != VOID
        }

    def void(self) -> tuple[Rle | None, ...] | None:
        """The pixels that are not judged; None if there are none."""
        if set(self._tracks) == {VOID} or VOID not in self._tracks:
            return None
        return tuple(self._tracks[VOID])


class IdPictureTruths:
    """Truth in ``<folder>/<video>/<frame>.png``, pictures of object ids.

    Frames without a picture are not annotated.

    Args:
        folder: The folder with one folder for each video.
        object_ids: For each sample's id the ids it means; None for all that there are.
        united: Whether every pixel above 0 is the one object.
        of_first_frame: Whether all that there are means all that the first picture shows.
    """

    def __init__(
        self,
        folder: Path,
        object_ids: Mapping[str, Sequence[int] | None],
        *,
        united: bool = False,
        of_first_frame: bool = False,
    ) -> None:
        self._folder = folder
        self._object_ids = object_ids
        self._united = united
        self._of_first_frame = of_first_frame

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the pictures of a sample's video.

        Raises:
            EvaluationError: If none is there, or one cannot be read or has another size.
        """
        truth = self.video_truth(sample.video_id, video)
        wanted = self._object_ids[sample.id]
        if wanted is None and self._of_first_frame:
            wanted = [one for one, track in truth.objects.items() if track[0] is not None]
        if wanted is None:
            return truth
        absent = (None,) * len(truth.frames)
        return replace(truth, objects={one: truth.objects.get(one, absent) for one in wanted})

    def video_truth(self, video_id: str, video: SplitVideo) -> Truth:
        """Read all objects of a video, whichever of them samples ask for.

        Raises:
            EvaluationError: If none is there, or one cannot be read or has another size.
        """
        folder = self._folder / video_id
        frames = annotated_frames(folder, video.names)
        if not frames:
            raise EvaluationError(f"{folder} has no annotations; {ANNOTATIONS_AGAIN}")
        tracks = IdTracks(len(frames))
        for place, frame in enumerate(frames):
            file = folder / f"{video.names[frame]}.png"
            ids = read_ids(file, where=str(file), size=video.size, fix=ANNOTATIONS_AGAIN)
            united = (ids > 0).astype(np.int32) if self._united else ids
            tracks.add(place, united, where=str(file))
        return Truth(
            size=video.size,
            frames=frames,
            objects=tracks.objects(),
            ignored=tracks.void(),
            ids_of_pictures=True,
        )


class MaskFolderTruths:
    """Truth in one folder for each sample, one picture of its mask for each frame.

    Args:
        folders: For each sample's id the folder of ``<frame>.png``; None: it has no target.
        absent: What a frame without a picture is: ``empty`` (the object is not visible), or
            ``unannotated`` (the frame does not count).
    """

    def __init__(
        self,
        folders: Mapping[str, Path | None],
        *,
        absent: Literal["empty", "unannotated"],
    ) -> None:
        self._folders = folders
        self._absent = absent

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the pictures of a sample.

        Raises:
            EvaluationError: If none is there where that matters, or one cannot be read or has
                another size.
        """
        folder = self._folders[sample.id]
        every = tuple(range(len(video.names)))
        if folder is None:
            return Truth(size=video.size, frames=every, objects={})
        frames = every
        if self._absent == "unannotated" or folder.is_dir():
            # Names that do not fit are an error also where frames may be without a picture.
            frames = annotated_frames(folder, video.names)
        if self._absent == "empty":
            frames = every
        if not frames:
            raise EvaluationError(f"{folder} has no mask of any frame; complete it")
        masks = [self._mask(folder / f"{video.names[frame]}.png", video.size) for frame in frames]
        return Truth(size=video.size, frames=frames, objects={1: tuple(masks)})

    def _mask(self, file: Path, size: Size) -> Rle | None:
        if self._absent == "empty" and not os.path.lexists(file):
            return None
        mask = read_mask(file, where=str(file), size=size, fix=ANNOTATIONS_AGAIN)
        return Rle.encode(mask) if mask.any() else None


def annotated_frames(folder: Path, names: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of the frames that have a picture in a folder.

    Raises:
        EvaluationError: If the folder cannot be listed, or its pictures are not called as the
            frames are.
    """
    try:
        found = {entry.stem for entry in folder.iterdir() if entry.suffix == ".png"}
    except OSError as error:
        raise EvaluationError(
            f"{folder} cannot be listed ({error.strerror or error}); {ANNOTATIONS_AGAIN}"
        ) from error
    fix = "annotations and frames must be of one release, with one numbering of the frames"
    check_frame_names(names, found, where=str(folder), fix=fix, if_shifted=fix)
    return tuple(index for index, name in enumerate(names) if name in found)
