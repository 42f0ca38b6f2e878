"""Whether pictures are called as the frames they are meant for, or are numbered from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from videoseg.errors import EvaluationError
from videoseg.text import shorten

__all__ = ["check_frame_names", "frame_shift", "shifted_name"]

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
