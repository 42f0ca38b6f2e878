"""Answers of paths that are drawn, without a network: what is decided, and when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from videoseg_sam2 import BranchingPolicy, Candidates, MemoryBounds, Proposal
from videoseg_sam2.paths import Paths
from videoseg_sam2.trail import Trail

NUM_FRAMES = 200
LOGITS = np.zeros((3, 4, 4), np.float32)


class Drawn(BranchingPolicy):
    """Follows up to three candidates that are drawn; the same for equal seeds."""

    def __init__(self, seed: int, delay: int | None) -> None:
        super().__init__()
        self.bounds = MemoryBounds(0, 0, branches=3, delay=delay)
        self._seed = seed

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        step = proposals[0].candidates.step
        generator = np.random.default_rng((self._seed, step))
        pairs = [(path, candidate) for path in range(len(proposals)) for candidate in range(3)]
        # Seldom does a path end, so that answers wait for long.
        weights = np.array([5.0 if candidate == 0 else 0.1 for _, candidate in pairs])
        number = min(3, len(pairs))
        chosen = generator.choice(len(pairs), number, replace=False, p=weights / weights.sum())
        return [pairs[index] for index in chosen]


def follow(seed: int, delay: int | None) -> tuple[list[tuple[int, object]], list[str], int]:
    """Return the answers, those of the path that is best in the end, and the longest wait."""
    policy = Drawn(seed, delay)
    paths = Paths(Trail(policy, origin=0, reverse=False, num_slots=6, num_pointers=15))
    histories: list[list[str]] = [[]]
    decided: list[tuple[int, object]] = []
    longest = 0
    for frame in range(1, NUM_FRAMES):
        proposed = [Candidates(frame, LOGITS, (0.5, 0.5, 0.5), 1.0, 16)] * len(paths.trails)
        followed = paths.grow(proposed)
        answers = [f"{path}/{candidate}" for path, candidate, _ in followed]
        histories = [
            [*histories[path], answer]
            for (path, _, _), answer in zip(followed, answers, strict=True)
        ]
        decided += paths.answer(frame, answers)
        # Paths that the delay ended are no longer among the trails.
        histories = [
            history
            for history, (_, _, trail) in zip(histories, followed, strict=True)
            if trail in paths.trails
        ]
        longest = max(longest, paths.num_waiting)
    return decided + paths.settle(), histories[0], longest


@pytest.mark.parametrize("delay", [None, 100, 7, 1])
def test_what_is_decided_early_is_what_the_best_path_has_in_the_end(delay: int | None) -> None:
    waits = []
    for seed in range(4):
        decided, best, longest = follow(seed, delay)
        assert [frame for frame, _ in decided] == list(range(1, NUM_FRAMES))
        assert [answer for _, answer in decided] == best
        waits.append(longest)
    assert max(waits) == 1 if delay == 1 else max(waits) > 1
    assert delay is None or max(waits) <= delay


def test_a_delay_that_is_never_reached_changes_nothing() -> None:
    to_the_end, _, longest = follow(0, None)
    assert follow(0, longest + 1)[0] == to_the_end
    assert follow(0, 2)[0] != to_the_end
