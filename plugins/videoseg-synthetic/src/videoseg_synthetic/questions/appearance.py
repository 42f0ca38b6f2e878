"""Questions that one frame answers: color, size, place in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from videoseg_synthetic.measure import Measurements
from videoseg_synthetic.questions.proposal import Proposal, choice, name

__all__ = ["ask", "extreme_in_place", "extreme_in_size"]

# Chosen by hand, so that people do not disagree.
_SIZE_RATIO = 1.5  # of the areas of the largest and the next object
_PLACE_MARGIN = 0.07  # between two objects, as a fraction of the picture's width or height
_PLACE_FROM_MIDDLE = 0.1  # distance from the middle, in the same unit


def ask(seen: Measurements, rng: np.random.Generator) -> Iterator[Proposal]:
    """Yield the questions about appearance that have a clear answer in this scene."""
    count = len(seen.objects)
    for index, item in enumerate(seen.objects):
        if len(seen.same_color(index)) > 1:
            continue
        text = choice(
            rng,
            (
                f"the {item.color} one",
                f"the {item.color} object",
                f"the {item.color} {item.shape}",
                f"the thing that is {item.color}",
            ),
        )
        yield Proposal(
            text,
            "appearance",
            "color",
            (index,),
            seen.seen_window(index),
            "One clear frame is enough; when it happens does not matter.",
            f"Only one thing is {item.color}.",
        )
    if count < 2:
        return
    everyone = tuple(range(count))
    sizes: tuple[tuple[Literal["largest", "smallest"], tuple[str, ...]], ...] = (
        ("largest", ("the largest one", "the biggest object", "the largest of them")),
        ("smallest", ("the smallest one", "the smallest object", "the tiniest of them")),
    )
    for extreme, words in sizes:
        found = extreme_in_size(seen, everyone, extreme)
        if found is not None:
            yield Proposal(
                choice(rng, words),
                "appearance",
                extreme,
                (found,),
                seen.seen_window(found),
                "Sizes hardly change, so any frame that shows it whole will do.",
                f"Comparing all {count} objects, {name(seen, found)} is clearly the {extreme}.",
            )
    places: tuple[tuple[Literal["left", "right", "top", "bottom"], tuple[str, ...]], ...] = (
        ("left", ("the leftmost one", "the object furthest to the left")),
        ("right", ("the rightmost one", "the object furthest to the right")),
        ("top", ("the topmost one", "the object at the top")),
        ("bottom", ("the lowest one", "the object at the bottom")),
    )
    for place, words in places:
        found = extreme_in_place(seen, place)
        if found is not None:
            yield Proposal(
                choice(rng, words),
                "appearance",
                f"place-{place}",
                (found,),
                seen.seen_window(found),
                "It keeps this place in every frame that shows it.",
                f"No other object is ever nearer to the {place} of the picture.",
            )


def extreme_in_size(
    seen: Measurements, among: tuple[int, ...], extreme: Literal["largest", "smallest"]
) -> int | None:
    """Return the clearly largest or smallest of some objects, or None."""
    if len(among) < 2:
        return None
    found = set()
    # Also by the visible area, for people who cannot guess what a post hides.
    for areas in (seen.full_areas, seen.areas.max(axis=1)):
        sizes = {k: float(areas[k]) for k in among}
        order = sorted(among, key=lambda k: sizes[k], reverse=extreme == "largest")
        small, large = sorted((sizes[order[0]], sizes[order[1]]))
        if large < _SIZE_RATIO * small:
            return None
        found.add(order[0])
    return found.pop() if len(found) == 1 else None


def extreme_in_place(
    seen: Measurements, place: Literal["left", "right", "top", "bottom"]
) -> int | None:
    """Return the object that is always clearly furthest to one side, or None."""
    height, width = seen.scene.size
    axis = 0 if place in ("left", "right") else 1
    sign = 1.0 if place in ("left", "top") else -1.0
    extent = width if axis == 0 else height
    along = sign * seen.centroids[:, :, axis] / extent
    middle = sign * 0.5
    visible = np.where(seen.gone, np.inf, along)
    target = int(np.argmin(np.nanmin(visible, axis=1)))
    here = seen.seen[target]
    # It must always be visible, or another object has the place while it is away.
    if not here.all() or (visible[target] > middle - _PLACE_FROM_MIDDLE).any():
        return None
    others = np.delete(visible, target, axis=0).min(axis=0)
    return target if (others - visible[target] >= _PLACE_MARGIN).all() else None
