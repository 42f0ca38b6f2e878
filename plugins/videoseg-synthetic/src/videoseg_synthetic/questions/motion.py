"""Questions about how things move."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from videoseg.types import Window
from videoseg_synthetic.measure import DIRECTIONS, Direction, Measurements
from videoseg_synthetic.questions.proposal import Proposal, choice, name, span

__all__ = ["ask", "describe_motion", "fastest", "movers", "standing"]

# Chosen by hand, so that people do not disagree.
_SPEED_RATIO = 1.6  # of the mean speeds of the fastest and any other object
_PEAK_RATIO = 1.35  # of their peak speeds
_FASTEST_MOVES = 0.18  # at least, as a fraction of the picture's width or height
_STILL_SEEN = 0.6  # share of the frames on which the still object must be seen

DIRECTION_WORDS: dict[Direction, tuple[str, ...]] = {
    "left": ("moving left", "that moves to the left", "going left"),
    "right": ("moving right", "that moves to the right", "going right"),
    "up": ("moving up", "that moves upwards", "going up"),
    "down": ("moving down", "that moves downwards", "going down"),
}


def ask(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield the questions about motion that have a clear answer in this scene."""
    for direction in DIRECTIONS:
        group = movers(seen, direction)
        if group is not None and len(group) == 1:
            index = group[0]
            yield Proposal(
                f"the {choice(rng, ('one', 'object'))} {choice(rng, DIRECTION_WORDS[direction])}",
                "motion",
                f"moves-{direction}",
                (index,),
                seen.seen_window(index),
                describe_motion(seen, index),
                f"Nothing else goes {direction}.",
            )
    swift = fastest(seen)
    if swift is not None:
        yield Proposal(
            choice(rng, ("the fastest one", "the one that moves fastest", "the fastest object")),
            "motion",
            "fastest",
            (swift,),
            seen.seen_window(swift),
            describe_motion(seen, swift),
            f"{name(seen, swift).capitalize()} covers more ground in the same time than "
            "anything else.",
        )
    still = standing(seen)
    if still is not None:
        yield Proposal(
            choice(
                rng,
                ("the one that stands still", "the object that does not move", "the still one"),
            ),
            "motion",
            "still",
            (still,),
            seen.seen_window(still),
            f"{name(seen, still).capitalize()} stays at the same place while all others move.",
            "Standing still means no change of place against the ground.",
        )


def movers(
    seen: Measurements, direction: Direction, among: tuple[int, ...] | None = None
) -> tuple[int, ...] | None:
    """Return the objects that move in a direction, or None if that is doubtful for any."""
    indices = among if among is not None else tuple(range(len(seen.objects)))
    verdicts = {k: seen.moves(k, direction) for k in indices}
    if any(verdict is None for verdict in verdicts.values()):
        return None
    return tuple(k for k, verdict in verdicts.items() if verdict)


def fastest(seen: Measurements) -> int | None:
    """Return the clearly fastest object, or None."""
    if len(seen.objects) < 2 or seen.num_frames < 4:
        return None
    slow_side = [seen.speeds(k) for k in range(len(seen.objects))]
    fast_side = [seen.highest_speeds(k) for k in range(len(seen.objects))]
    first = int(np.argmax([mean for mean, _ in slow_side]))
    if max(seen.displacement(first, direction) for direction in DIRECTIONS) < _FASTEST_MOVES:
        return None
    mean, peak = slow_side[first]
    clear = all(
        mean >= _SPEED_RATIO * fast_side[k][0] and peak >= _PEAK_RATIO * fast_side[k][1]
        for k in range(len(seen.objects))
        if k != first
    )
    return first if clear else None


def standing(seen: Measurements) -> int | None:
    """Return the only object that stands still, or None."""
    verdicts = [seen.is_still(k) for k in range(len(seen.objects))]
    others_move = verdicts.count(False) == len(verdicts) - 1
    if len(verdicts) < 2 or verdicts.count(True) != 1 or not others_move:
        return None
    index = verdicts.index(True)
    return index if seen.seen[index].mean() >= _STILL_SEEN else None


def describe_motion(seen: Measurements, index: int) -> str:
    """Return a sentence with the first and last position of an object and their frames."""
    window = seen.seen_window(index)
    frames = np.flatnonzero(seen.seen[index])
    first, last = int(frames[0]), int(frames[-1])
    start, end = seen.centroids[index, first], seen.centroids[index, last]
    return (
        f"Over {span(Window(window.start, window.stop))} {name(seen, index)} goes from "
        f"({start[0]:.0f}, {start[1]:.0f}) to ({end[0]:.0f}, {end[1]:.0f})."
    )
