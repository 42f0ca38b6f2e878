"""Whether the numbers of an answer fit the coordinate space they are read in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from videoseg_r1.objects import ObjectAnswer
from videoseg_r1.placing import Placement

__all__ = ["doubts_about_numbers"]

_XY = tuple[float, float]
_MOST_SHOWN = 4
# 1.0000001 is no more than 1.
_TOLERANCE = 1e-6


def doubts_about_numbers(objects: Sequence[ObjectAnswer], placement: Placement) -> list[str]:
    """Return a warning for each way in which an answer does not fit the space it is read in.

    Args:
        objects: The objects of an answer.
        placement: How their coordinates are meant.

    Returns:
        Sentences that name the space, the numbers and what to set.
    """
    doubts = []
    for space in dict.fromkeys(found.space for found in objects):
        group = [found for found in objects if found.space == space]
        placed = placement.of(space)
        scale = placed.space.x_first.name
        if space is not None and scale != placement.space.x_first.name:
            doubts.append(
                f"the answer itself says that its numbers are in {placed.space}, not in the "
                f"model's space {placement.space}; it is read as it says"
            )
        elif space == "pixels" and not scale.startswith(("pixels", "square")):
            doubts.append(
                f"the answer says that its numbers are pixels, but they are read as "
                f"{placed.space}; if it is right, set coordinates='pixels_of_resized'"
            )
        doubts += [*_outside(group, placed), *_shares(group, placed)]
    return doubts


def _outside(objects: Sequence[ObjectAnswer], placement: Placement) -> Iterator[str]:
    across, down = placement.space.extent(placement.seen)
    pairs = [pair for found in objects for pair in _pairs(found)]
    outside = [
        number
        for pair in pairs
        for number, most in zip(pair, (across, down), strict=True)
        if not 0 <= number <= most * (1 + _TOLERANCE)
    ]
    if outside:
        advice = _other_space(pairs, placement)
        yield (
            f"numbers of the answer lie outside its coordinate space {placement.space} (0 to "
            f"{across:g} across, 0 to {down:g} down): {_shown(outside)}; "
            + (
                f"if the model writes in another one, set it, such as coordinates={advice!r}"
                if advice
                else "what lies outside is cut off"
            )
        )


def _shares(objects: Sequence[ObjectAnswer], placement: Placement) -> Iterator[str]:
    """Yield a warning where numbers look like shares in a space of larger numbers."""
    if placement.space.x_first.name == "unit":
        return
    small = [
        numbers
        for found in objects
        for numbers in (found.box, *found.points)
        if numbers is not None
        and min(numbers) >= 0
        and max(numbers) <= 1
        # A point at the very corner may be meant.
        and (len(numbers) == 4 or any(number % 1 for number in numbers))
    ]
    if small:
        yield (
            f"numbers of the answer are at most 1, so that nearly nothing of them is left in its "
            f"coordinate space {placement.space}: {_shown(small[0])}; if they are shares of width "
            f"and height, set coordinates={'unit_yx' if placement.space.y_first else 'unit'!r}"
        )


def _other_space(pairs: Sequence[_XY], placement: Placement) -> str | None:
    """Return the name of a space into which all numbers would fit; None if there is none."""
    if any(number < 0 for pair in pairs for number in pair):
        return None
    across, down = placement.space.extent(placement.seen)
    scale = placement.space.x_first.name
    y_first = placement.space.y_first
    if across != down and all(x <= down and y <= across for x, y in pairs):
        y_first = not y_first
    elif scale != "per_mille" and all(max(pair) <= 1000 for pair in pairs):
        scale = "per_mille"
    elif scale == "pixels_of_resized":
        return None
    else:
        scale = "pixels_of_resized"
    return f"{scale}_yx" if y_first else scale


def _pairs(found: ObjectAnswer) -> Iterator[_XY]:
    if found.box is not None:
        yield found.box[:2]
        yield found.box[2:]
    yield from found.points
    yield from found.negative_points


def _shown(numbers: Iterable[float]) -> str:
    distinct = list(dict.fromkeys(numbers))
    more = ", ..." if len(distinct) > _MOST_SHOWN else ""
    return ", ".join(f"{number:g}" for number in distinct[:_MOST_SHOWN]) + more
