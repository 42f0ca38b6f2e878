"""Masks stored as pictures: reading them, untrusted, and truth made of them.

Which pixels belong to the object:

====================== =============================================================
picture                object
====================== =============================================================
black-white, grayscale every value above 0, 8 or 16 bits (0/1 and 0/255 are the same)
palette                every index above 0; the colors do not matter
RGB                    every pixel that is not black
with alpha             every pixel that is neither black nor fully transparent
====================== =============================================================

A picture of object ids is grayscale or has a palette; its values are the ids.
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
"""The id of pixels that belong to no object and are not scored, in 8-bit pictures of ids."""


def read_mask(
    source: Path | bytes, *, where: str, size: Size | None = None, fix: str = "write it again"
) -> BoolArray:
    """Read one object's mask, shape (H, W).

    Args:
        source: A file, or its content.
        where: Its name in messages.
        size: (height, width) it must have; None for any.
        fix: What to do about a file that cannot be read.

    Raises:
        EvaluationError: If it is not a picture, or has another size.
    """
    return _read(source, _foreground, where=where, size=size, fix=fix)


def read_ids(
    source: Path | bytes, *, where: str, size: Size | None = None, fix: str = "write it again"
) -> IntArray:
    """Read a picture of object ids, shape (H, W), with 0 for no object.

    Args:
        source: A file, or its content.
        where: Its name in messages.
        size: (height, width) it must have; None for any.
        fix: What to do about a file that cannot be read.

    Raises:
        EvaluationError: If it is not a picture, has colors instead of ids, or another size.
    """
    return _read(source, lambda image: _ids(image, where), where=where, size=size, fix=fix)


def read_written_value(source: Path | bytes, *, where: str) -> int:
    """Read the highest value of a picture as 8-bit grayscale; 0 for an empty mask.

    This is the value of the object's pixels in the file, which enters the scores of some released
    scripts.

    Args:
        source: A file, or its content.
        where: Its name in messages.

    Raises:
        EvaluationError: If it is not a picture.
    """
    return _read(source, lambda image: int(np.asarray(image.convert("L")).max()), where=where)


def _read(
    source: Path | bytes,
    take: Callable[[Image.Image], T],
    *,
    where: str,
    size: Size | None = None,
    fix: str = "write it again",
) -> T:
    from PIL import UnidentifiedImageError

    try:
        with open_picture(source) as image:
            # Before decoding: a small file can claim to be a huge picture.
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
            # Pillow's message repeats the file name, or has the address of a buffer.
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
        # Pillow's type for 16-bit pictures depends on its version.
        ids: IntArray = np.asarray(image).astype(np.int32)
        return ids
    raise EvaluationError(
        f"{where} has colors (mode {image.mode}) where ids are expected; write a grayscale or "
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
    """Check that the names of pictures match those of a video's frames.

    Frames without a picture and extra pictures are accepted. Refused are folders in which no
    picture has the name of a frame, or in which the numbers of all pictures are shifted against
    those of the frames.

    Args:
        frames: The names of all frames, without suffix.
        found: The names of the pictures, without suffix.
        where: Name of the folder in messages.
        fix: What to do if no name fits.
        if_shifted: What to do if the numbers are shifted; ``{shift}`` is replaced by the shift.
        shifts: Whether to look for shifted numbers.

    Raises:
        EvaluationError: If they do not match; the message has both names.
    """
    if not found or not frames:
        return
    first = min(found)
    if set(frames).isdisjoint(found):
        raise EvaluationError(
            f"{where} has {len(found)} pictures, none of which has the name of a frame: the first "
            f"is {shorten(first)}, the first frame {shorten(frames[0])}; {fix}"
        )
    if shifts and (shift := frame_shift(frames, found)) is not None:
        raise EvaluationError(
            f"{where} has pictures whose numbers are shifted by {shift:+d} against the frames: "
            f"they go from {shorten(first)} to {shorten(max(found))}, the frames from "
            f"{shorten(min(frames))} to {shorten(max(frames))}; {if_shifted.format(shift=shift)}"
        )


def frame_shift(frames: Iterable[str], found: Iterable[str]) -> int | None:
    """Return by how much the numbers in the names of pictures are shifted against the frames'.

    Returns:
        The shift; None if there is none, or it is ambiguous: some picture must match no frame,
        some frame must have no picture, and one shift must explain all pictures.

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
    """Return the name of a frame with its number shifted, of the same number of digits.

    Raises:
        EvaluationError: If the name does not end with a number, or the number becomes negative.

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
    """Return the numbers at the end of names, by the text before them."""
    found: dict[str, set[int]] = {}
    for name in names:
        if (match := _NUMBER.fullmatch(name)) is not None:
            found.setdefault(match[1], set()).add(int(match[2]))
    return found


ANNOTATIONS_AGAIN = "download the annotations again"
"""Remedy for a true mask that cannot be read."""


class IdTracks:
    """Collects the objects of a video from its pictures of ids, frame by frame.

    If 255 is the only id of a video, its pictures are masks of one object with the values 0 and
    255, and the object gets the id 1. Otherwise 255 is void.

    Args:
        length: The number of frames; not needed for ``shown``.
    """

    def __init__(self, length: int = 0) -> None:
        self._length = length
        self._tracks: dict[int, dict[int, Rle]] = {}

    def add(self, place: int, ids: IntArray, *, where: str) -> None:
        """Add one picture, shape (H, W), as frame ``place``.

        Raises:
            EvaluationError: If there are more ids than a video can have objects.
        """
        for object_id in (int(one) for one in np.unique(ids)):
            if object_id == 0:
                continue
            if object_id < 0 or (object_id not in self._tracks and len(self._tracks) > VOID):
                raise EvaluationError(
                    f"{where} holds the id {object_id} after {len(self._tracks)} others; write "
                    "ids from 1, one for each object"
                )
            self._tracks.setdefault(object_id, {})[place] = Rle.encode(ids == object_id)

    def shown(self) -> dict[int, dict[int, Rle]]:
        """Each object's masks by the frames that show it, by ascending id."""
        if set(self._tracks) == {VOID}:
            return {1: dict(self._tracks[VOID])}
        return {key: dict(self._tracks[key]) for key in sorted(self._tracks) if key != VOID}

    def objects(self) -> dict[int, tuple[Rle | None, ...]]:
        """Each object's masks on all frames, by ascending id."""
        return {key: self._on_all_frames(track) for key, track in self.shown().items()}

    def void(self) -> tuple[Rle | None, ...] | None:
        """The pixels that are not scored; None if there are none."""
        if set(self._tracks) == {VOID} or VOID not in self._tracks:
            return None
        return self._on_all_frames(self._tracks[VOID])

    def _on_all_frames(self, track: Mapping[int, Rle]) -> tuple[Rle | None, ...]:
        return tuple(track.get(place) for place in range(self._length))


class IdPictureTruths:
    """Truth in ``<folder>/<video>/<frame>.png``, pictures of object ids.

    Frames without a picture are not annotated.

    Args:
        folder: The folder with one folder for each video.
        object_ids: For each sample's id the object ids it refers to; None for all objects.
        one_object: Whether every pixel above 0 belongs to one object.
        of_first_frame: Whether "all objects" are those of the first picture.
    """

    def __init__(
        self,
        folder: Path,
        object_ids: Mapping[str, Sequence[int] | None],
        *,
        one_object: bool = False,
        of_first_frame: bool = False,
    ) -> None:
        self._folder = folder
        self._object_ids = object_ids
        self._one_object = one_object
        self._of_first_frame = of_first_frame

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the annotations of a sample's video.

        Raises:
            EvaluationError: If there is no picture, or one cannot be read or has another size.
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
        """Read all objects of a video, including those that no sample asks for.

        Raises:
            EvaluationError: If there is no picture, or one cannot be read or has another size.
        """
        folder = self._folder / video_id
        frames = annotated_frames(folder, video.names)
        if not frames:
            raise EvaluationError(f"{folder} has no annotations; {ANNOTATIONS_AGAIN}")
        tracks = IdTracks(len(frames))
        for place, frame in enumerate(frames):
            file = folder / f"{video.names[frame]}.png"
            ids = read_ids(file, where=str(file), size=video.size, fix=ANNOTATIONS_AGAIN)
            if self._one_object:
                ids = (ids > 0).astype(np.int32)
            tracks.add(place, ids, where=str(file))
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
        absent: What a missing picture means: ``empty`` (the object is not visible), or
            ``unannotated`` (the frame is not scored).
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
            EvaluationError: If there is no picture although one is needed, or one cannot be read
                or has another size.
        """
        folder = self._folders[sample.id]
        every = tuple(range(len(video.names)))
        if folder is None:
            return Truth(size=video.size, frames=every, objects={})
        frames = every
        if self._absent == "unannotated" or folder.is_dir():
            # Names that do not match are an error even if pictures may be missing.
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
        EvaluationError: If the folder cannot be listed, or the names of its pictures do not
            match those of the frames.
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
