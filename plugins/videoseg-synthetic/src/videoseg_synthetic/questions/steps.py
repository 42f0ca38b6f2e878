"""Questions that take several steps: sets, exceptions, one condition after another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from videoseg.types import Window
from videoseg_synthetic.measure import DIRECTIONS, Measurements
from videoseg_synthetic.questions.appearance import extreme_in_size
from videoseg_synthetic.questions.motion import DIRECTION_WORDS, movers
from videoseg_synthetic.questions.proposal import Proposal, choice, join, name
from videoseg_synthetic.questions.relations import ask_beside_extremes
from videoseg_synthetic.questions.time import Timeline

__all__ = ["NUMBER_WORDS", "ask"]

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six")


def ask(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield the questions in several steps that have a clear answer in this scene."""
    if len(seen.objects) < 2:
        return
    yield from _same_color(seen, rng)
    yield from _moving_sets(seen, rng)
    yield from _exceptions(seen, rng)
    yield from _after_leaving(seen, rng)
    yield from ask_beside_extremes(seen, rng)


def _same_color(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    done: set[str] = set()
    for index, item in enumerate(seen.objects):
        twins = tuple(seen.same_color(index))
        if len(twins) < 2 or item.color in done:
            continue
        done.add(item.color)
        number = NUMBER_WORDS[len(twins)] if len(twins) < len(NUMBER_WORDS) else str(len(twins))
        words = [f"the {number} {item.color} ones", f"all {item.color} objects"]
        if len(twins) == 2:
            words.append(f"both {item.color} ones")
        yield Proposal(
            choice(rng, words),
            "several_steps",
            "all-color",
            twins,
            _hull(seen, twins),
            "They are followed through the whole video; each keeps its color.",
            f"More than one is meant: {number} objects are {item.color}.",
        )
        for extreme, comparative in (("largest", "larger"), ("smallest", "smaller")):
            found = extreme_in_size(seen, twins, extreme)  # type: ignore[arg-type]
            if found is not None:
                word = comparative if len(twins) == 2 else extreme
                yield Proposal(
                    choice(
                        rng,
                        (f"the {word} {item.color} one", f"the {word} of the {item.color} ones"),
                    ),
                    "several_steps",
                    "size-in-color",
                    (found,),
                    seen.seen_window(found),
                    "Sizes hardly change, so clear frames of each are enough.",
                    f"First keep the {number} {item.color} ones, then take the {word}.",
                )
        for direction in DIRECTIONS:
            group = movers(seen, direction, twins)
            if group is not None and len(group) == 1:
                yield Proposal(
                    f"the {item.color} one {choice(rng, DIRECTION_WORDS[direction])}",
                    "several_steps",
                    "color-and-motion",
                    group,
                    seen.seen_window(group[0]),
                    f"Of the {item.color} ones only {_shape(seen, group[0])} goes {direction}.",
                    f"Two conditions: {item.color}, and going {direction}.",
                )


def _moving_sets(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    for direction in DIRECTIONS:
        group = movers(seen, direction)
        if group is None or not 2 <= len(group) < len(NUMBER_WORDS):
            continue
        number = NUMBER_WORDS[len(group)]
        way = {"left": "to the left", "right": "to the right"}.get(direction, direction)
        called = join([name(seen, k) for k in group])
        yield Proposal(
            choice(
                rng,
                (
                    f"all objects that move {way}",
                    f"the {number} that move {way}",
                    f"everything that goes {way}",
                ),
            ),
            "several_steps",
            "all-moving",
            group,
            _hull(seen, group),
            f"{called[0].upper()}{called[1:]} go {direction}; nothing else does.",
            f"All that move {way} are meant, and there are {number}.",
        )
        for extreme in ("largest", "smallest"):
            found = extreme_in_size(seen, group, extreme)
            if found is not None:
                yield Proposal(
                    f"the {extreme} of {choice(rng, ('the ones', 'those'))} that move {way}",
                    "several_steps",
                    "size-in-moving",
                    (found,),
                    _hull(seen, group),
                    f"{called[0].upper()}{called[1:]} go {direction}.",
                    f"First keep those that move {way}, then take the {extreme}.",
                )
        if len(group) == 2:
            for index, other in (group, group[::-1]):
                color = seen.objects[other].color
                if color == seen.objects[index].color:
                    continue
                yield Proposal(
                    f"the one that moves {way} but is not {color}",
                    "several_steps",
                    "moving-but-not",
                    (index,),
                    seen.seen_window(index),
                    f"{called[0].upper()}{called[1:]} go {direction}.",
                    f"Of those, the {color} one is ruled out.",
                    anchors=(other,),
                )


def _exceptions(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    count = len(seen.objects)
    for index, item in enumerate(seen.objects):
        if len(seen.same_color(index)) > 1 or not 3 <= count <= 5:
            continue
        rest = tuple(k for k in range(count) if k != index)
        yield Proposal(
            choice(
                rng,
                (
                    f"everything except the {item.color} one",
                    f"all objects that are not {item.color}",
                    f"all but the {item.color} {item.shape}",
                ),
            ),
            "several_steps",
            "all-except",
            rest,
            _hull(seen, rest),
            "The whole video counts, as each object may show at another time.",
            f"All {NUMBER_WORDS[count]} objects are meant but for {name(seen, index)}.",
            anchors=(index,),
        )


def _after_leaving(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    if seen.num_frames < 12:
        return
    timeline = Timeline(seen)
    if timeline.ever_away or not timeline.start_is_clear:
        return
    for gone in timeline.leaving:
        color = seen.objects[gone].color
        if len(seen.same_color(gone)) > 1:
            continue
        later = [k for k in timeline.late if timeline.entries[k] >= timeline.exits[gone] + 2]
        doubtful = [
            k
            for k in timeline.late
            if k not in later and timeline.entries[k] > timeline.exits[gone] - timeline.wait
        ]
        if len(later) != 1 or doubtful:
            continue
        index = later[0]
        yield Proposal(
            choice(
                rng,
                (
                    f"the one that appears after the {color} one has gone",
                    f"the object that comes once the {color} one is gone",
                ),
            ),
            "several_steps",
            "enters-after-leaving",
            (index,),
            Window(max(0, timeline.exits[gone] - 3), seen.seen_window(index).stop),
            f"{name(seen, gone).capitalize()} last shows in frame {timeline.exits[gone] - 1}; "
            f"{name(seen, index)} first shows in frame {timeline.entries[index]}.",
            f"First find when the {color} one leaves, then what comes after.",
            anchors=(gone,),
        )


def _hull(seen: Measurements, indices: tuple[int, ...]) -> Window:
    windows = [seen.seen_window(k) for k in indices]
    return Window(min(w.start for w in windows), max(w.stop for w in windows))


def _shape(seen: Measurements, index: int) -> str:
    return f"the {seen.objects[index].shape}"
