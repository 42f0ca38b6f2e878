"""Questions about synthetic scenes, one module for each difficulty."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from videoseg_synthetic.measure import Measurements
from videoseg_synthetic.questions import absent, appearance, motion, relations, steps, time
from videoseg_synthetic.questions.proposal import DIFFICULTIES, Difficulty, Proposal

__all__ = ["DIFFICULTIES", "Difficulty", "Proposal", "all_questions"]

_Asker = Callable[[Measurements, np.random.Generator], Iterator[Proposal]]

_ASKERS: tuple[_Asker, ...] = (
    appearance.ask,
    motion.ask,
    time.ask,
    relations.ask,
    steps.ask,
    absent.ask,
)


def all_questions(seen: Measurements, rng: np.random.Generator) -> list[Proposal]:
    """Return the questions that have a clear answer in a scene, at most two of each kind."""
    proposals: list[Proposal] = []
    for ask in _ASKERS:
        found = list(ask(seen, rng))
        kinds: dict[str, int] = {}
        for k in rng.permutation(len(found)):
            proposal = found[int(k)]
            kinds[proposal.kind] = kinds.get(proposal.kind, 0) + 1
            if kinds[proposal.kind] <= 2:
                proposals.append(proposal)
    return proposals
