"""The paths that a policy follows side by side for one object, and the answers that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from numbers import Integral
from typing import Any, cast

from videoseg.text import shorten
from videoseg_sam2.policy import BranchingPolicy, Candidates, Proposal
from videoseg_sam2.trail import Trail

__all__ = ["Answer", "Paths"]

Answer = tuple[int, Any]
"""A frame and what is answered on it."""


class Paths:
    """What one object's policies remember in one run, one trail for each path, the best first.

    All paths begin as one and are one again on each prompted frame. An answer that all of them
    share is decided; others wait until the paths that have another one have ended.

    Args:
        trail: The first path.

    Attributes:
        trails: The paths, the best first.
    """

    def __init__(self, trail: Trail) -> None:
        self.trails = [trail]
        self._bounds = trail.policy.bounds
        # Of each path, the answers that are not decided; equal ones are the same object.
        self._waiting: list[deque[Answer]] = [deque()]

    @property
    def best(self) -> Trail:
        """The best path."""
        return self.trails[0]

    @property
    def branches(self) -> bool:
        """Whether the policy may follow more than one path."""
        return self._bounds.branches > 1

    @property
    def num_waiting(self) -> int:
        """How many frames are not decided."""
        return len(self._waiting[0])

    def grow(self, candidates: Sequence[Candidates]) -> list[tuple[int, int, Trail]]:
        """Let the policy choose among what all paths propose on a frame, and follow that.

        Args:
            candidates: Of each path.

        Returns:
            Of each survivor, the best first: the index of the path that it comes from, that of its
            candidate, and its trail.

        Raises:
            PropagationError: If the policy chooses what is not there, or too much.
        """
        # Checked when the policy was found.
        policies = [cast("BranchingPolicy", trail.policy) for trail in self.trails]
        proposals = [Proposal(*one) for one in zip(policies, candidates, strict=True)]
        answer = policies[0].choose_branches(proposals)
        try:
            chosen = [(path, candidate) for path, candidate in answer]
        except (TypeError, ValueError):
            self.best.refuse(
                f"follows {shorten(answer)}, which is no list of pairs of a branch and a candidate"
            )
        self._check(chosen, proposals)
        self._waiting = [self._waiting[path].copy() for path, _ in chosen]
        followed = [
            (path, candidate, self.trails[path].fork(policies[path].fork()))
            for path, candidate in chosen
        ]
        self.trails = [trail for _, _, trail in followed]
        return followed

    def answer(self, frame: int, answers: Sequence[Any]) -> list[Answer]:
        """Take the answer of each path on a frame.

        Returns:
            What is decided by now, in the order of the frames.
        """
        for waiting, answer in zip(self._waiting, answers, strict=True):
            waiting.append((frame, answer))
        decided: list[Answer] = []
        while self._waiting[0]:
            oldest = self._waiting[0][0]
            agree = [waiting[0] is oldest for waiting in self._waiting]
            if not all(agree) and len(agree) > 1:
                if self._bounds.delay is None or self.num_waiting <= self._bounds.delay:
                    break
                self.trails = [one for one, keep in zip(self.trails, agree, strict=True) if keep]
                self._waiting = [
                    one for one, keep in zip(self._waiting, agree, strict=True) if keep
                ]
            for waiting in self._waiting:
                waiting.popleft()
            decided.append(oldest)
        return decided

    def settle(self) -> list[Answer]:
        """End all paths but the best and return its answers that waited."""
        del self.trails[1:], self._waiting[1:]
        decided = list(self._waiting[0])
        self._waiting[0].clear()
        return decided

    def _check(self, chosen: Sequence[tuple[int, int]], proposals: Sequence[Proposal]) -> None:
        most = self._bounds.branches
        if not 1 <= len(chosen) <= most or len(set(chosen)) < len(chosen):
            self.best.refuse(
                f"follows {list(chosen)}; allowed are 1 to {most} pairs of a branch and a "
                "candidate, each once"
            )
        for pair in chosen:
            numbers = [int(one) for one in pair if isinstance(one, Integral)]
            if len(numbers) != 2 or not self._has(proposals, *numbers):
                self.best.refuse(
                    f"follows {pair}, which is no pair of a branch (of {len(proposals)}) and its "
                    "candidate"
                )

    @staticmethod
    def _has(proposals: Sequence[Proposal], path: int, candidate: int) -> bool:
        return 0 <= path < len(proposals) and 0 <= candidate < len(proposals[path].candidates.ious)
