"""Objects that cover the same pixels, and propagators that give these to one of them only.

A shirt lies within its wearer. Where objects compete for every pixel, the person has a hole in
the shape of the shirt from the frame after the prompts on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from videoseg.text import shorten
from videoseg.types import BoolArray, Prompt

__all__ = ["Loss", "OverlapWatch", "describe_losses"]

# Fraction of the smaller object that both cover, from which on one is a part of the other.
_LEAST_SHARED = 0.5
# Fraction of that part that must still be shared a frame later.
_LEAST_KEPT = 0.5
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Loss:
    """Pixels of two objects that went to one of them.

    Args:
        loser: Id of the object that lost them.
        winner: Id of the one that has them.
        frame: The last frame on which they were both's.
    """

    loser: int
    winner: int
    frame: int


@dataclass(frozen=True, slots=True)
class _Pair:
    ids: tuple[int, int]
    areas: tuple[int, int]
    masks: tuple[BoolArray, BoolArray]
    shared: float
    frame: int


class OverlapWatch:
    """Watches the masks of one run for pixels that one object loses to another.

    Args:
        prompts: What the run was given.

    Attributes:
        losses: The losses found so far.
    """

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self.losses: list[Loss] = []
        self._prompts: dict[int, list[Prompt]] = {}
        for prompt in prompts:
            self._prompts.setdefault(prompt.frame, []).append(prompt)
        self._is_needed = len({prompt.object_id for prompt in prompts}) > 1
        self._frames_left = set(self._prompts)
        self._waiting: list[_Pair] = []
        self._before: Mapping[int, BoolArray] = {}

    def see(self, frame: int, masks: Mapping[int, BoolArray]) -> None:
        """Look at the masks of the next frame of the run."""
        if not self._is_needed:
            return
        self._frames_left.discard(frame)
        for pair in self._waiting:
            self._compare(pair, masks)
        self._waiting = self._overlapping(frame, masks) if frame in self._prompts else []
        self._before = masks
        if not self._frames_left and not self._waiting:
            # Nothing is held for the rest of a long video.
            self._is_needed, self._before = False, {}

    def _overlapping(self, frame: int, masks: Mapping[int, BoolArray]) -> list[_Pair]:
        """Return the pairs of which one was prompted on this frame and lies within the other."""
        prompted: dict[int, BoolArray] = {}
        for prompt in self._prompts[frame]:
            if prompt.mask is not None:
                prompted[prompt.object_id] = prompt.mask.decode()
            elif prompt.object_id in masks:
                prompted[prompt.object_id] = masks[prompt.object_id]
        # What another object covers here may already have been taken from it.
        covered = {**self._before, **prompted}
        areas = {key: int(np.count_nonzero(mask)) for key, mask in covered.items()}
        pairs = []
        for ids in combinations(sorted(key for key, area in areas.items() if area), 2):
            if not prompted.keys() & set(ids):
                continue
            first, second = (covered[key] for key in ids)
            both = (areas[ids[0]], areas[ids[1]])
            shared = int(np.count_nonzero(first & second)) / min(both)
            if shared >= _LEAST_SHARED:
                pairs.append(_Pair(ids, both, (first, second), shared, frame))
        return pairs

    def _compare(self, pair: _Pair, masks: Mapping[int, BoolArray]) -> None:
        if not masks.keys() >= set(pair.ids):
            return
        first, second = (masks[key] for key in pair.ids)
        areas = [int(np.count_nonzero(mask)) for mask in (first, second)]
        if not any(areas):
            # Both are out of sight, at a cut for example.
            return
        shared = int(np.count_nonzero(first & second)) / max(min(areas), 1)
        if shared >= _LEAST_KEPT * pair.shared:
            return
        shrunk = [now / before for now, before in zip(areas, pair.areas, strict=True)]
        loser = int(shrunk[1] < shrunk[0])
        # What moves away from in front of another object takes nothing from it.
        robbed, winner = (second, first) if loser else (first, second)
        fought_over = pair.masks[0] & pair.masks[1]
        taken = int(np.count_nonzero(fought_over & winner & ~robbed))
        missing = pair.areas[loser] - areas[loser]
        if max(taken, missing) < _LEAST_KEPT * np.count_nonzero(fought_over):
            return
        self.losses.append(Loss(pair.ids[loser], pair.ids[1 - loser], pair.frame))


def describe_losses(losses: Iterable[Loss], prompts: Sequence[Prompt]) -> list[str]:
    """Return a warning for each pair of objects of which one lost pixels to the other."""
    labels = {prompt.object_id: prompt.label for prompt in reversed(prompts)}

    def name(object_id: int) -> str:
        label = labels.get(object_id)
        return f"object {object_id} ({shorten(label)})" if label else f"object {object_id}"

    pairs = {frozenset((loss.loser, loss.winner)): loss for loss in losses}
    warnings = [
        f"{name(loss.loser)} and {name(loss.winner)} cover the same pixels on frame {loss.frame}; "
        f"on the frames beside it they belong to object {loss.winner} alone, since objects of one "
        "pass compete for every pixel; to keep them in both, give each object a pass of its own "
        "(option max_objects_per_pass=1 of the propagator)"
        for loss in list(pairs.values())[:_SHOWN]
    ]
    more = len(pairs) - _SHOWN
    if more > 0:
        warnings.append(
            f"{more} other pair{'s' if more > 1 else ''} of objects cover the same pixels on one "
            "frame only"
        )
    return warnings
