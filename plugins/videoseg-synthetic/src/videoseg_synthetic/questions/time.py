"""Questions about when objects appear, leave and are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from videoseg.types import Window
from videoseg_synthetic.measure import Measurements
from videoseg_synthetic.questions.proposal import Proposal, choice, name

__all__ = ["Timeline", "ask"]


# Chosen by hand, so that people do not disagree.
_SHORTEST_GAP = 3  # frames without an object from which it counts as away
_NEVER_HIDDEN = 0.3  # visible part that an object must always show not to count as hidden


class Timeline:
    """Which objects appear late, leave, or are away for a while.

    Args:
        seen: The measurements.
    """

    def __init__(self, seen: Measurements) -> None:
        wait, last = seen.shortest_wait, seen.num_frames - 1
        indices = range(len(seen.objects))
        self.entries = {k: seen.first_visible(k) for k in indices}
        self.exits = {k: seen.last_visible(k) + 1 for k in indices}
        self.late = tuple(k for k in indices if self.entries[k] >= wait)
        self.leaving = tuple(k for k in indices if self.exits[k] <= last + 1 - wait)
        self.gaps = {
            k: [gap for gap in seen.gaps(k) if len(gap) >= _SHORTEST_GAP] for k in indices
        }
        self.away = tuple(k for k in indices if self.gaps[k])
        self.ever_away = any(seen.gaps(k) for k in indices)
        # Not clear: an object is partly in the picture at the start or end, or near a margin.
        self.start_is_clear = all(
            k in self.late or bool(seen.seen[k, : max(1, wait // 2)].any()) for k in indices
        ) and all(self.entries[k] == 0 or k in self.late for k in indices)
        self.end_is_clear = all(
            k in self.leaving or (self.exits[k] == last + 1 and bool(seen.seen[k, -1]))
            for k in indices
        )
        self.never_hidden = tuple(
            k
            for k in indices
            if not seen.gaps(k) and seen.lowest_fraction_between(k) >= _NEVER_HIDDEN
        )
        self.wait = wait


def ask(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield the questions about time that have a clear answer in this scene."""
    if seen.num_frames < 12 or len(seen.objects) < 2:
        return
    timeline = Timeline(seen)
    yield from _ask_about_entering(seen, timeline, rng)
    yield from _ask_about_leaving(seen, timeline, rng)
    yield from _ask_about_hiding(seen, timeline, rng)


def _ask_about_entering(
    seen: Measurements, timeline: Timeline, rng: np.random.Generator
) -> Iterator[Proposal]:
    # An object that is away and comes back "appears" twice.
    if timeline.ever_away or not timeline.start_is_clear or not timeline.late:
        return
    order = sorted(timeline.late, key=lambda k: timeline.entries[k])
    apart = all(
        timeline.entries[b] - timeline.entries[a] >= timeline.wait for a, b in pairwise(order)
    )
    # An object that emerges from behind another was in the picture all the time.
    crossing_border = all(seen.amodal[k, 0] == 0 for k in order)
    if len(order) == 1:
        index = order[0]
        words = [
            "the one that appears late",
            "the object that was not there at the beginning",
            "the last one to appear",
        ]
        if crossing_border:
            words.append("the one that comes into the picture")
        yield Proposal(
            choice(rng, words),
            "time",
            "late",
            (index,),
            _around(seen, timeline.entries[index], index),
            f"All others are there from frame 0; {name(seen, index)} first shows in frame "
            f"{timeline.entries[index]}.",
            "The words ask for something that is not there when the video begins.",
        )
        return
    if not apart:
        return
    listing = "; ".join(f"{name(seen, k)} in frame {timeline.entries[k]}" for k in order)
    for kind, index, options in (
        ("last", order[-1], ("the last one to appear", "the one that appears last")),
        ("first", order[0], ("the first newcomer", "the first of those that appear later")),
    ):
        yield Proposal(
            choice(rng, options),
            "time",
            f"enters-{kind}",
            (index,),
            _around(seen, timeline.entries[index], index),
            f"Newcomers and when they first show: {listing}.",
            f"Of those that were not there in frame 0, the {kind} is asked for.",
        )
    for before, index in pairwise(order):
        color = seen.objects[before].color
        if index != order[-1] or len(seen.same_color(before)) > 1:
            continue
        yield Proposal(
            choice(
                rng,
                (
                    f"the one that {'enters' if crossing_border else 'appears'} after "
                    f"the {color} one",
                    f"the object that appears later than the {color} one",
                ),
            ),
            "time",
            "enters-after",
            (index,),
            _around(seen, timeline.entries[index], index),
            f"Newcomers and when they first show: {listing}.",
            f"After the {color} one has come, only {name(seen, index)} is still to come.",
            anchors=(before,),
        )


def _ask_about_leaving(
    seen: Measurements, timeline: Timeline, rng: np.random.Generator
) -> Iterator[Proposal]:
    if timeline.ever_away or not timeline.end_is_clear or not timeline.leaving:
        return
    order = sorted(timeline.leaving, key=lambda k: timeline.exits[k])
    crossing_border = all(seen.amodal[k, -1] == 0 for k in order)
    if len(order) == 1:
        index = order[0]
        exit_frame = timeline.exits[index]
        words = ["the object that is gone at the end", "the one that disappears"]
        if crossing_border:
            words += ["the one that leaves the picture", "the one that goes away"]
        yield Proposal(
            choice(rng, words),
            "time",
            "leaves",
            (index,),
            _around(seen, exit_frame - 1, index),
            f"{name(seen, index).capitalize()} last shows in frame {exit_frame - 1}; "
            "all others are still there in the last frame.",
            "Leaving means being in the picture first and not at the end.",
        )
    elif timeline.exits[order[1]] - timeline.exits[order[0]] >= timeline.wait:
        index = order[0]
        listing = "; ".join(f"{name(seen, k)} after frame {timeline.exits[k] - 1}" for k in order)
        yield Proposal(
            "the first one to leave" if crossing_border else "the first one to disappear",
            "time",
            "leaves-first",
            (index,),
            _around(seen, timeline.exits[index] - 1, index),
            f"Gone are {listing}.",
            "Several leave; the earliest is asked for.",
        )


def _ask_about_hiding(
    seen: Measurements, timeline: Timeline, rng: np.random.Generator
) -> Iterator[Proposal]:
    if len(timeline.away) != 1:
        return
    index = timeline.away[0]
    others = [k for k in range(len(seen.objects)) if k != index]
    if any(k not in timeline.never_hidden for k in others) or len(timeline.gaps[index]) != 1:
        return
    gap = timeline.gaps[index][0]
    window = Window(
        max(seen.seen_window(index).start, gap.start - seen.num_frames // 4),
        min(seen.seen_window(index).stop, gap.stop + seen.num_frames // 4),
    )
    behind_post = bool(seen.covered[gap.start - 1, 0, index + 1] > 0)
    facts = (
        f"{name(seen, index).capitalize()} shows until frame {gap.start - 1}, is away for "
        f"{len(gap)} frames and shows again from frame {gap.stop}; nothing else is away."
    )
    words = ["the one that disappears and comes back", "the object that is gone for a while"]
    if behind_post:
        words += ["the one that is hidden for a while", "the object that goes behind the post"]
    else:
        words += ["the one that leaves and returns", "the one that goes out and comes back"]
    if seen.covered[:, 0, 1:][:, others].any():
        # A neighbor that only touches the post also "goes behind" it.
        words = [word for word in words if "post" not in word]
    yield Proposal(
        choice(rng, words),
        "time",
        "comes-back",
        (index,),
        window,
        facts,
        "It must be seen, then not seen, then seen again.",
    )


def _around(seen: Measurements, event: int, index: int) -> Window:
    """Return a window around an event that also shows the object well."""
    reach = max(3, seen.num_frames // 5)
    shown = np.flatnonzero(seen.fractions[index] >= 0.8 * seen.fractions[index].max())
    nearest = int(shown[np.argmin(np.abs(shown - event))])
    start = max(0, min(event - reach, nearest - 1))
    return Window(start, min(seen.num_frames, max(event + reach, nearest + 2)))
