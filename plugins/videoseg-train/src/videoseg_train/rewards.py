"""Scoring rollouts: the terms of a reward, and what episodes that failed get."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from videoseg import ConfigError
from videoseg_train.errors import TrainingError
from videoseg_train.rollout import Rollout
from videoseg_train.samples import Truth

__all__ = ["Reward", "RewardTerm", "Score", "score_rollouts"]


class Reward(Protocol):
    """Judges one rollout.

    Two attributes are optional. ``lowest`` (0 by default) is what a rollout gets that ended with
    an error. With ``judges_errors = True``, such rollouts are judged like others: a reward for the
    form of the texts can say how near an answer came that could not be read.
    """

    def __call__(self, rollout: Rollout, truth: Truth) -> float:
        """Return the reward of a rollout.

        Args:
            rollout: The rollout.
            truth: The true masks by object id.
        """


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One part of the reward.

    Args:
        name: What it is called in reports.
        reward: The function.
        weight: What its value is multiplied by.
        use: ``term`` is added to the others; ``factor`` multiplies the sum of all terms, such as
            VideoSeg-R1's length penalty. A negative sum is left as it is, since a penalty would
            make it better. A factor of a rollout that failed is 1 unless it says otherwise.
    """

    name: str
    reward: Reward
    weight: float = 1.0
    use: Literal["term", "factor"] = "term"


@dataclass(frozen=True, slots=True)
class Score:
    """The reward of one rollout.

    Args:
        total: The whole reward.
        parts: The value of each term and factor, before its weight.
    """

    total: float
    parts: Mapping[str, float]


def score_rollouts(rollouts: Sequence[Rollout], terms: Sequence[RewardTerm]) -> list[Score]:
    """Return the reward of each rollout.

    Raises:
        ConfigError: If there is no term, or two have one name.
        TrainingError: If a reward is not a finite number.
    """
    names = [term.name for term in terms]
    if len(set(names)) < len(names) or all(term.use == "factor" for term in terms):
        raise ConfigError(f"a reward needs terms with names of their own, got {names}")
    return [_score(rollout, terms) for rollout in rollouts]


def _score(rollout: Rollout, terms: Sequence[RewardTerm]) -> Score:
    truth = rollout.sample.tracks()
    parts: dict[str, float] = {}
    total, factor = 0.0, 1.0
    for term in terms:
        is_judged = rollout.error is None or getattr(term.reward, "judges_errors", False)
        if is_judged:
            value = float(term.reward(rollout, truth))
        else:
            default = 0.0 if term.use == "term" else 1.0
            value = float(getattr(term.reward, "lowest", default))
        if not math.isfinite(value):
            raise TrainingError(
                f"reward {term.name!r} of sample {rollout.sample.id!r} is {value}; a reward must "
                "be a finite number"
            )
        parts[term.name] = value
        if term.use == "term":
            total += term.weight * value
        else:
            factor *= value
    return Score(total * factor if total > 0 else total, parts)
