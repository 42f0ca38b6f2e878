"""Masks as pictures of foreign origin.

What counts as the object:

====================== =============================================================
picture                object
====================== =============================================================
black and white, grey  every value above 0, 8 or 16 bits (0/1 and 0/255 are the same)
palette                every index above 0, whatever the colors
RGB                    every pixel that is not black
grey or RGB with alpha every pixel that is neither black nor fully transparent
====================== =============================================================

A picture of object ids is grey or has a palette; its values are the ids and colors say nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from videoseg.benchmarks.types import Sample, Truth
from videoseg.benchmarks.videos import SplitVideo
from videoseg.errors import EvaluationError
from videoseg.text import printable, shorten, shorten_text
from videoseg.types import BoolArray, IntArray, Rle, Size
from videoseg.types.runs import MAX_PIXELS
from videoseg.video.picture_files import open_picture, picture_errors

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "ANNOTATIONS_AGAIN",
    "VOID",
    "IdPictureTruths",
    "IdTracks",
    "MaskFolderTruths",
    "check_frame_names",
    "frame_shift",
    "read_ids",
    "read_mask",
    "read_written_value",
    "shifted_name",
]

T = TypeVar("T")

_LOSSY = ("JPEG", "MPO")

VOID = 255
"""The id of pixels that belong to no object and are not judged, in 8-bit pictures of ids."""


def read_mask(
    source: Path | bytes, *, where: str, size: Size | None = None, fix: str = "write it again"
) -> BoolArray:
    """Read one object's mask, shape (H, W).

    Args:
        source: A file, or its content.
        where: What it is called in messages.
        size: (height, width) it must have; None for any.
        fix: What to do about a file that cannot be read.

    Raises:
        EvaluationError: If it is no picture, or has another size.
    """
    return _read(source, _foreground, where=where, size=size, fix=fix)


def read_ids(
    source: Path | bytes, *, where: str, size: Size | None = None, fix: str = "write it again"
) -> IntArray:
    """Read a picture of object ids, shape (H, W), with 0 for no object.

    Raises:
        EvaluationError: If it is no picture, has colors instead of ids, or another size.
    """
    return _read(source, lambda image: _ids(image, where), where=where, size=size, fix=fix)


def read_written_value(source: Path | bytes, *, where: str, fix: str = "write it again") -> int:
    """Read the highest value of a picture as grey with 8 bits; 0 for an empty mask.

    It is what the object's pixels are in the file, with which some released scripts calculate.

    Args:
        source: A file, or its content.
        where: What it is called in messages.
        fix: What to do about a file that cannot be read.

    Raises:
        EvaluationError: If it is no picture.
    """
    return _read(
        source,
        lambda image: int(np.asarray(image.convert("L")).max()),
        where=where,
        size=None,
        fix=fix,
    )


def _read(
    source: Path | bytes,
    take: Callable[[Image.Image], T],
    *,
    where: str,
    size: Size | None,
    fix: str,
) -> T:
    from PIL import UnidentifiedImageError

    try:
        with open_picture(source) as image:
            # Before a pixel is decoded: a small file can claim to be a huge picture.
            _check_size((image.height, image.width), size, where, fix)
            if image.format in _LOSSY:
                raise EvaluationError(
                    f"{where} is a JPEG, which changes values around every outline; write masks "
                    "as PNG"
                )
            return take(image)
    except EvaluationError:
        raise
    except FileNotFoundError as error:
        raise EvaluationError(f"{where} is missing; complete the folder") from error
    except picture_errors() as error:
        strerror = error.strerror if isinstance(error, OSError) else None
        reason = " ".join(str(strerror or error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            # Its own message has the file again, or the address of a buffer.
            reason = "it is damaged, or of no known format"
        raise EvaluationError(
            f"{where} cannot be read as a picture ({shorten_text(printable(reason), 200)}); {fix}"
        ) from error


def _check_size(found: Size, size: Size | None, where: str, fix: str) -> None:
    if size is not None and found != size:
        raise EvaluationError(
            f"{where} is {found[0]}x{found[1]} (height x width) but the frame is "
            f"{size[0]}x{size[1]}, and masks are as large as their frames; {fix}"
        )
    if found[0] * found[1] > MAX_PIXELS:
        raise EvaluationError(
            f"{where} is {found[0]}x{found[1]}, more than the {MAX_PIXELS} pixels allowed"
        )


def _ids(image: Image.Image, where: str) -> IntArray:
    if image.mode in {"1", "L", "P"} or image.mode.startswith("I"):
        # 32 bits and a sign: what Pillow makes of 16-bit pictures differs with its version.
        ids: IntArray = np.asarray(image).astype(np.int32)
        return ids
    raise EvaluationError(
        f"{where} has colors (mode {image.mode}) where ids are expected; write a grey or "
        "palette PNG whose values are the object ids"
    )


def _foreground(image: Image.Image) -> BoolArray:
    values = np.asarray(image)
    seen: BoolArray = values != 0
    if values.ndim == 2:
        return seen
    if image.mode in {"LA", "RGBA", "La", "RGBa"}:
        return np.asarray(seen[..., :-1].any(axis=-1) & seen[..., -1])
    if image.mode != "RGB":
        seen = np.asarray(image.convert("RGB")) != 0
    return np.asarray(seen.any(axis=-1))


_NUMBER = re.compile(r"(.*?)(\d{1,18})", re.ASCII | re.DOTALL)


def check_frame_names(
    frames: Sequence[str],
    found: Collection[str],
    *,
    where: str,
    fix: str,
    if_shifted: str,
    shifts: bool = True,
) -> None:
    """Check that pictures can be those of the frames of a video.

    Frames without a picture are none of its business, nor are pictures beside those of the
    frames: what is refused is a folder in which no picture has the name of a frame, or in which
    the pictures are numbered as the frames are but from another number on.

    Args:
        frames: The names of all frames, without an ending.
        found: The names of the pictures, without an ending.
        where: What they are called in messages.
        fix: What to do if no name fits.
        if_shifted: What to do about numbers that are shifted; ``{shift}`` stands for how far.
        shifts: Whether to look for such a shift at all.

    Raises:
        EvaluationError: If they cannot be; both names are told.
    """
    if not found or not frames:
        return
    first = min(found)
    if set(frames).isdisjoint(found):
        raise EvaluationError(
            f"{where} has {len(found)} pictures, none of which is called as a frame is: the first "
            f"is {shorten(first)}, the first frame {shorten(frames[0])}; {fix}"
        )
    if shifts and (shift := frame_shift(frames, found)) is not None:
        raise EvaluationError(
            f"{where} has pictures whose numbers are shifted by {shift:+d} against the frames: "
            f"they go from {shorten(first)} to {shorten(max(found))}, the frames from "
            f"{shorten(min(frames))} to {shorten(max(frames))}; {if_shifted.format(shift=shift)}"
        )


def frame_shift(frames: Iterable[str], found: Iterable[str]) -> int | None:
    """Return what is added to the number of each frame in the names of pictures.

    Returns:
        How far the numbers are shifted; None if they are not, or if that cannot be told: some
        picture has to be that of no frame, some frame has to be without a picture, and one shift
        has to explain every picture.

    Example:
        >>> frame_shift(["00000", "00001", "00002"], ["00001", "00002", "00003"])
        1
    """
    expected = _numbers(frames)
    if len(expected) != 1:
        return None
    ((before, wanted),) = expected.items()
    there = _numbers(found).get(before, set())
    if there <= wanted or wanted <= there:
        return None
    ends = (min(there) - min(wanted), max(there) - max(wanted))
    for shift in sorted(set(ends), key=abs):
        if shift and all(number - shift in wanted for number in there):
            return shift
    return None


def shifted_name(name: str, shift: int) -> str:
    """Return the name of a frame with another number, as many digits long.

    Raises:
        EvaluationError: If the name does not end with a number, or that would be negative.

    Example:
        >>> shifted_name("frame_00009", 1)
        'frame_00010'
    """
    if not shift:
        return name
    match = _NUMBER.fullmatch(name)
    if match is None or int(match[2]) + shift < 0:
        raise EvaluationError(
            f"frame {shorten(name)} has no number that {shift} can be added to; rename the "
            "pictures instead"
        )
    return f"{match[1]}{int(match[2]) + shift:0{len(match[2])}d}"


def _numbers(names: Iterable[str]) -> Mapping[str, set[int]]:
    """Return the numbers that names end with, by what stands before them."""
    found: dict[str, set[int]] = {}
    for name in names:
        if (match := _NUMBER.fullmatch(name)) is not None:
            found.setdefault(match[1], set()).add(int(match[2]))
    return found


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
