"""``Proposal``: a question about a scene with its answer and the reasons for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import Window
from videoseg_synthetic.measure import Measurements

__all__ = ["DIFFICULTIES", "Difficulty", "Proposal", "choice", "join", "name", "span"]

Difficulty: TypeAlias = Literal[
    "appearance", "motion", "time", "relations", "several_steps", "absent"
]

DIFFICULTIES: tuple[Difficulty, ...] = (
    "appearance",
    "motion",
    "time",
    "relations",
    "several_steps",
    "absent",
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question whose answer follows from what is visible.

    Args:
        text: The query.
        difficulty: What it takes to answer it.
        kind: The kind of question, such as ``color`` or ``moves-left``; a clip has at most two
            of each.
        answer: Indices (not ids) of the objects meant; none if nothing fits.
        window: Where the evidence lies.
        temporal: What happens when.
        linguistic: What the words ask for.
        anchors: Indices of objects that the query mentions but does not ask for.
    """

    text: str
    difficulty: Difficulty
    kind: str
    answer: tuple[int, ...]
    window: Window
    temporal: str
    linguistic: str
    anchors: tuple[int, ...] = ()


def choice(rng: np.random.Generator, options: Sequence[str]) -> str:
    """Pick one wording."""
    return options[int(rng.integers(len(options)))]


def name(seen: Measurements, index: int) -> str:
    """Return a description of an object, such as ``the red star``."""
    item = seen.objects[index]
    article = "the" if len(seen.same_color(index)) == 1 else "a"
    return f"{article} {item.color} {item.shape}"


def join(parts: Sequence[str]) -> str:
    """Join words to a list: ``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def span(window: Window) -> str:
    """Return a window in words."""
    if len(window) == 1:
        return f"frame {window.start}"
    return f"frames {window.start} to {window.stop - 1}"
