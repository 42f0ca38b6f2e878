"""Questions whose answer is that no object in the video fits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from videoseg.types import Window
from videoseg_synthetic.measure import DIRECTIONS, Direction, Measurements
from videoseg_synthetic.palette import COLORS, confusable
from videoseg_synthetic.questions.motion import DIRECTION_WORDS, describe_motion
from videoseg_synthetic.questions.proposal import Proposal, choice, join, name
from videoseg_synthetic.questions.relations import contacts
from videoseg_synthetic.questions.time import Timeline

__all__ = ["ask"]

# Largest displacement of any object, as a fraction of width or height (chosen by hand).
_NOTHING_MOVES = 0.06

_AGAINST: dict[Direction, Direction] = {
    "left": "right",
    "right": "left",
    "up": "down",
    "down": "up",
}


def ask(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield questions whose answer is clearly "not in this video"."""
    whole = Window(0, seen.num_frames)
    present = [item.color for item in seen.objects]
    missing = [
        color
        for color in COLORS
        # Ground and posts are brownish or grayish themselves.
        if color not in (*present, "brown", "grey")
        and not any(confusable(color, other) for other in present)
    ]
    colors = join(sorted(set(present)))
    for color in missing:
        yield Proposal(
            choice(
                rng,
                (
                    f"the {color} one",
                    f"the {color} object",
                    f"the {color} {seen.objects[0].shape}",
                ),
            ),
            "absent",
            "no-color",
            (),
            whole,
            "No frame of the whole video shows it.",
            f"Nothing is {color}; the colors are {colors}.",
        )
    if seen.num_frames < 12:
        return
    yield from _no_motion(seen, rng, whole)
    yield from _no_event(seen, rng, whole)


def _no_motion(seen: Measurements, rng: np.random.Generator, whole: Window) -> Iterator[Proposal]:
    indices = range(len(seen.objects))
    for direction in DIRECTIONS:
        if all(seen.largest_displacement(k, direction) <= _NOTHING_MOVES for k in indices):
            yield Proposal(
                f"the {choice(rng, ('one', 'object'))} {choice(rng, DIRECTION_WORDS[direction])}",
                "absent",
                "no-motion",
                (),
                whole,
                f"Nothing goes {direction} at any time.",
                f"The words ask for something that goes {direction}.",
            )
    for index, item in enumerate(seen.objects):
        if len(seen.same_color(index)) > 1:
            continue
        for direction in DIRECTIONS:
            if seen.moves(index, direction) and seen.moves(index, _AGAINST[direction]) is False:
                wrong = _AGAINST[direction]
                yield Proposal(
                    f"the {item.color} one {choice(rng, DIRECTION_WORDS[wrong])}",
                    "absent",
                    "wrong-motion",
                    (),
                    whole,
                    describe_motion(seen, index),
                    f"The only {item.color} one goes {direction}, not {wrong}.",
                )
        if seen.is_still(index) and not Timeline(seen).gaps[index]:
            yield Proposal(
                f"the {item.color} one that moves across the picture",
                "absent",
                "wrong-stillness",
                (),
                whole,
                f"{name(seen, index).capitalize()} stays where it is in all frames.",
                f"The only {item.color} one does not move.",
            )


def _no_event(seen: Measurements, rng: np.random.Generator, whole: Window) -> Iterator[Proposal]:
    # Seen in the middle, too: an object that is hidden for a while may seem to appear late.
    if bool(seen.seen.all()):
        yield Proposal(
            choice(
                rng,
                (
                    "the one that leaves the picture",
                    "the one that disappears and comes back",
                    "the one that appears only at the end",
                ),
            ),
            "absent",
            "no-event",
            (),
            whole,
            "Everything is there from the first frame to the last.",
            "The words ask for something that is not there all the time.",
        )
    for first in range(len(seen.objects)):
        for second in range(len(seen.objects)):
            colors = (seen.objects[first].color, seen.objects[second].color)
            unique = len(seen.same_color(first)) == len(seen.same_color(second)) == 1
            if first == second or not unique or contacts(seen, first, second):
                continue
            yield Proposal(
                choice(
                    rng,
                    (
                        f"the {colors[0]} one that passes behind the {colors[1]} one",
                        f"the {colors[0]} one that hides the {colors[1]} one",
                    ),
                ),
                "absent",
                "no-contact",
                (),
                whole,
                "The two never overlap in any frame.",
                f"{name(seen, first).capitalize()} and {name(seen, second)} keep apart.",
            )
