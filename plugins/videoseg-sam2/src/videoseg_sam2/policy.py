"""What a memory policy is asked, what it is told, and the policy that others derive from.

A policy decides for one object and one run which of the network's candidates is the object, what
is remembered of each frame, and what memory attention reads on the next one. It counts steps along
the run, not frame numbers, so a run backward needs no code of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from videoseg.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "NUM_POINTERS",
    "NUM_SLOTS",
    "BranchingPolicy",
    "Candidates",
    "Extent",
    "FrameRecord",
    "Held",
    "Keeping",
    "MemoryBounds",
    "MemoryPolicy",
    "Proposal",
    "Recall",
    "extent_of",
]

NUM_SLOTS = 6
"""Slots in time that published networks have for the features of frames without a prompt."""

NUM_POINTERS = 15
"""The largest distance, in frames, of a pointer that published networks read."""

Keeping: TypeAlias = Literal["anchor", "recent", "pointer", "nothing"]
"""What is remembered of a frame: its features as those of a prompted frame (made of the mask, not
of its probabilities), its features as those of a tracked one, its pointer alone, or nothing.
Features come with a pointer."""

Extent: TypeAlias = tuple[int, int, int, int]
"""The outermost pixels of a mask, (left, top, right, bottom), all of them inside it."""


def extent_of(mask: BoolArray) -> Extent | None:
    """Return the outermost pixels of a mask of shape (h, w); None if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _enlarged_extents(logits: FloatArray, side: int) -> tuple[Extent | None, ...]:
    import torch
    from torch.nn import functional

    enlarged = functional.interpolate(
        torch.from_numpy(logits)[None], size=(side, side), mode="bilinear", align_corners=False
    )
    return tuple(extent_of(mask) for mask in (enlarged[0] > 0).numpy())


@dataclass(frozen=True)
class Candidates:
    """What the network proposes on one frame.

    Args:
        step: Frames since the object's first one in this run, 1 or greater.
        logits: Mask logits, shape (K, h, w), dtype float32: greater than 0 on the object; K is 1
            or 3. Nowhere greater than 0 if the network finds the object absent and hides it.
        ious: The network's estimate of each candidate's IoU, shape (K,).
        object_score: Logit of the object being in sight.
        side: Side of the network's square input, in pixels.
    """

    step: int
    logits: FloatArray
    ious: tuple[float, ...]
    object_score: float
    side: int

    @property
    def best(self) -> int:
        """Index of the candidate with the highest estimate, as published SAM 2 chooses."""
        return int(np.argmax(self.ious))

    @cached_property
    def masks(self) -> BoolArray:
        """The candidates as masks of the logits' size, shape (K, h, w), dtype bool."""
        masks: BoolArray = self.logits > 0
        return masks

    @cached_property
    def extents(self) -> tuple[Extent | None, ...]:
        """Outermost pixels of each candidate at the size of the network's input."""
        return _enlarged_extents(self.logits, self.side)


@dataclass(frozen=True)
class FrameRecord:
    """What is known of a frame once its mask is chosen.

    Args:
        step: Frames since the object's first one in this run; 0 for this one.
        logits: Mask logits, shape (h, w), dtype float32: greater than 0 on the object.
        iou: The network's estimate of the mask's IoU; 1 for a mask that was given.
        object_score: Logit of the object being in sight.
        num_candidates: Among how many masks it was chosen.
        side: Side of the network's square input, in pixels.
    """

    step: int
    logits: FloatArray
    iou: float
    object_score: float
    num_candidates: int
    side: int

    @cached_property
    def area(self) -> int:
        """Pixels of the mask at the size of its logits."""
        return int(np.count_nonzero(self.logits > 0))

    @cached_property
    def extent(self) -> Extent | None:
        """Outermost pixels of the mask at the size of the network's input; None if it is empty."""
        return _enlarged_extents(self.logits[None], self.side)[0]


@dataclass(frozen=True, slots=True)
class Recall:
    """What memory attention reads on one frame beside the prompted frames, by step.

    Args:
        anchors: Frames whose features and pointer are read as those of prompted frames are.
        features: Frames whose features are read, by slot: 1 stands for the frame before, up to 6.
        pointers: Frames whose pointers are read, by the distance that they are said to have, 1
            to 15.
        factors: By what the keys of a frame's features and pointers are multiplied in attention;
            1 for those that are left out. Prompted frames can be named, too.
        pointer_factors: The same for pointers alone; None if ``factors`` counts for both.
    """

    anchors: tuple[int, ...] = ()
    features: Mapping[int, int] = field(default_factory=dict)
    pointers: Mapping[int, int] = field(default_factory=dict)
    factors: Mapping[int, float] = field(default_factory=dict)
    pointer_factors: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The frames that a policy may yet recall, by step; the session frees all others.

    Args:
        features: Whose features may be read, anchors among them.
        pointers: Whose pointers may be read.
    """

    features: Set[int]
    pointers: Set[int]


@dataclass(frozen=True, slots=True)
class MemoryBounds:
    """The most that a policy ever holds of one object; checked after each frame.

    Args:
        features: Frames with features: 512 KiB each in published networks.
        pointers: Frames with a pointer: 1 KiB each.
        branches: Hypotheses that are followed side by side, each with so much.
        delay: How many frames later than its own a frame may be answered, while hypotheses
            disagree about it; None for no bound but the end of the run. 0 with one branch, which
            has nothing to wait for.
    """

    features: int
    pointers: int
    branches: int = 1
    delay: int | None = 0


class MemoryPolicy:
    """The memory of one object in one run; here first in, first out, as SAM 2 was published.

    A policy of your own derives from it, or has the same five members. Prompted frames are not its
    business: they are always kept, always read, and their masks are returned as they were given.
    For every frame after the object's first the session asks, in this order, ``recall``,
    ``choose``, ``keep`` and ``held``; on a prompted frame it calls ``prompted`` and ``held``.
    """

    bounds = MemoryBounds(NUM_SLOTS, NUM_POINTERS)

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def prompted(self, record: FrameRecord) -> None:
        """Take note of a prompted frame; called first for the object's first frame."""

    def choose(self, candidates: Candidates) -> int:
        """Return the index of the candidate that is the object."""
        return candidates.best

    def keep(self, record: FrameRecord) -> Keeping:
        """Return what is remembered of a frame."""
        self._remember(record.step)
        return "recent"

    def recall(self, step: int) -> Recall:
        """Return what is read on a coming frame."""
        return Recall(
            features={a: step - a for a in range(1, NUM_SLOTS + 1) if step - a in self._seen},
            pointers={d: step - d for d in range(1, NUM_POINTERS + 1) if step - d in self._seen},
        )

    def held(self) -> Held:
        """Return which frames may yet be recalled."""
        newest = max(self._seen, default=0)
        recent = {step for step in self._seen if step > newest - NUM_SLOTS}
        return Held(recent, self._seen)

    def _remember(self, step: int) -> None:
        """Count a frame among those whose pointers are read while they are within reach."""
        # A new set, so that what ``held`` has returned does not change.
        self._seen = {seen for seen in self._seen if seen > step - NUM_POINTERS} | {step}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one branch proposes on a frame.

    Args:
        policy: The branch's policy.
        candidates: What the network proposes from the branch's memory.
    """

    policy: BranchingPolicy
    candidates: Candidates


class BranchingPolicy(MemoryPolicy):
    """A memory that follows several hypotheses, each with a memory of its own.

    There is one policy for each branch. On every frame the session asks each of them for
    ``recall``, then the best one for ``choose_branches``; each survivor is a fork of its branch
    and is asked for ``keep`` and ``held``. A frame is answered as soon as all branches agree on
    it, and after ``bounds.delay`` frames at the latest as the best branch has it; branches that
    have it otherwise end there. A prompted frame ends all but the best. With ``bounds.branches``
    of 1 the session asks for ``choose`` instead, as of any other policy.

    Attributes:
        score: How good the branch is so far, in the policy's own terms; the session does not read
            it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.score = 0.0

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        """Return which candidates of which branches are followed.

        Args:
            proposals: One for each branch, that of this policy first.

        Returns:
            Pairs of a proposal's index and a candidate's, the best first: at least one, and at
            most ``bounds.branches``.
        """
        raise NotImplementedError("a policy with several branches needs choose_branches")

    def fork(self) -> Self:
        """Return a copy that shares nothing that changes."""
        return copy.deepcopy(self)
