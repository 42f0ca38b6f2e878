"""Warnings of a run that cannot learn, each with its cause."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from videoseg_train.rewards import Score
from videoseg_train.rollout import Rollout

__all__ = ["DiagnosticSettings", "Diagnostics", "RolloutFacts"]


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """What is judged of a rollout; small, so that processes can tell each other.

    Args:
        sample: The id of its sample.
        group: Its group.
        error: Why it failed; None if it did not.
        reward: The whole reward.
        parts: Its terms and factors.
        shows: Whether the truth shows on a frame that was shown; None if it shows on none of the
            video, or there was no episode.
    """

    sample: str
    group: int
    error: str | None
    reward: float
    parts: Mapping[str, float]
    shows: bool | None


_Gather: TypeAlias = Callable[[list[RolloutFacts]], list[RolloutFacts]]


@dataclass(frozen=True, slots=True)
class DiagnosticSettings:
    """When a run is said not to learn.

    Args:
        window: Over how many steps is judged.
        repeat: After how many steps a warning is given again.
        most_equal: Share of groups without any difference in their rewards.
        most_failed: Share of episodes that fail.
        least_entropy: Mean entropy of a token in nats, and ``least_share`` of that in the first
            window: below both, the policy hardly varies.
        least_share: See ``least_entropy``.
        most_drift: Mean difference between the log-probabilities when a token was sampled and in
            the update, in nats: more, and the rollouts are of another policy.
        most_unseen: Share of episodes in which the truth shows on none of the frames shown.
    """

    window: int = 10
    repeat: int = 50
    most_equal: float = 0.5
    most_failed: float = 0.9
    least_entropy: float = 0.02
    least_share: float = 0.1
    most_drift: float = 0.1
    most_unseen: float = 0.25


@dataclass(slots=True)
class Diagnostics:
    """Watches the steps of a run.

    Args:
        settings: The bounds.
    """

    settings: DiagnosticSettings = field(default_factory=DiagnosticSettings)
    _step: int = 0
    _told: dict[str, int] = field(default_factory=dict)
    _equal: deque[float] = field(default_factory=deque)
    _entropies: deque[float] = field(default_factory=deque)
    _first_entropy: float | None = None
    _rewards: dict[str, deque[tuple[float, float]]] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """Return what later warnings depend on, as lists, mappings and numbers."""
        return {
            "step": self._step,
            "told": dict(self._told),
            "equal": list(self._equal),
            "entropies": list(self._entropies),
            "first_entropy": self._first_entropy,
            "rewards": {name: list(history) for name, history in self._rewards.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` returned."""
        self._step = state["step"]
        self._told = dict(state["told"])
        self._equal = deque(state["equal"])
        self._entropies = deque(state["entropies"])
        self._first_entropy = state["first_entropy"]
        self._rewards = {
            name: deque((low, high) for low, high in history)
            for name, history in state["rewards"].items()
        }

    def of_rollouts(
        self, rollouts: Sequence[Rollout], scores: Sequence[Score], *, gather: _Gather = list
    ) -> list[str]:
        """Return warnings about a step's rollouts and rewards; begins a new step.

        Args:
            rollouts: The rollouts of this process.
            scores: Their rewards.
            gather: Returns the facts of all processes, of whose rollouts the warnings are.
        """
        self._step += 1
        facts = gather(
            [_list_facts(one, score) for one, score in zip(rollouts, scores, strict=True)]
        )
        found = [
            *self._of_failures(facts),
            *self._of_groups(facts),
            *self._of_rewards(facts),
            *self._of_what_is_shown(facts),
        ]
        return self._new(found)

    def of_update(self, metrics: Mapping[str, float], problems: Sequence[str]) -> list[str]:
        """Return warnings about a step's update.

        Args:
            metrics: Of the update; ``entropy`` and ``drift`` are judged.
            problems: ``[SEG]`` without masks, in words, of all processes.
        """
        found: list[tuple[str, str]] = []
        if problems:
            found.append(
                (
                    "seg",
                    f"{len(problems)} answers have other numbers of [SEG] and of masks, which are "
                    f"not trained as masks: {problems[0]}",
                )
            )
        found += self._of_entropy(metrics.get("entropy"))
        drift = metrics.get("drift", 0.0)
        if drift > self.settings.most_drift:
            found.append(
                (
                    "drift",
                    f"log-probabilities differ by {drift:.3f} on average between rollout and "
                    "update, so the rollouts are of another policy than the one that is trained; "
                    "compute both in the same precision",
                )
            )
        return self._new(found)

    def _of_failures(self, facts: Sequence[RolloutFacts]) -> list[tuple[str, str]]:
        errors = [one.error for one in facts if one.error is not None]
        if not facts or len(errors) <= self.settings.most_failed * len(facts):
            return []
        (most, count), *_ = Counter(errors).most_common(1)
        return [
            (
                "failed",
                f"{len(errors)} of {len(facts)} episodes failed, {count} of them with: {most}; "
                "begin with supervised fine-tuning, so that answers can be read",
            )
        ]

    def _of_groups(self, facts: Sequence[RolloutFacts]) -> list[tuple[str, str]]:
        groups: dict[int, list[float]] = {}
        for one in facts:
            groups.setdefault(one.group, []).append(one.reward)
        if not groups:
            return []
        equal = [max(totals) - min(totals) < 1e-9 for totals in groups.values()]
        _push(self._equal, float(np.mean(equal)), self.settings.window)
        share = float(np.mean(self._equal))
        if len(self._equal) < self.settings.window or share <= self.settings.most_equal:
            return []
        return [
            (
                "equal",
                f"in {share:.0%} of the groups of the last {len(self._equal)} steps all rewards "
                "are equal, so that nothing is learned from them: take samples that are neither "
                "always nor never answered right, a reward with more grades, or larger groups",
            )
        ]

    def _of_rewards(self, facts: Sequence[RolloutFacts]) -> list[tuple[str, str]]:
        found = []
        window = self.settings.window
        names = facts[0].parts if facts else {}
        for name in names:
            values = [one.parts[name] for one in facts]
            history = self._rewards.setdefault(name, deque())
            _push(history, (min(values), max(values)), window)
            low, high = min(low for low, _ in history), max(high for _, high in history)
            if len(history) == window and low == high:
                found.append(
                    (
                        f"reward {name}",
                        f"reward {name!r} was {low:g} for every rollout of the last {window} "
                        "steps: it does not matter to what is learned",
                    )
                )
        return found

    def _of_what_is_shown(self, facts: Sequence[RolloutFacts]) -> list[tuple[str, str]]:
        asked = sum(one.shows is not None for one in facts)
        unseen = [one.sample for one in facts if one.shows is False]
        if not asked or len(unseen) <= self.settings.most_unseen * asked:
            return []
        return [
            (
                "unseen",
                f"in {len(unseen)} of {asked} episodes the true objects are on none of the frames "
                f"that were shown, such as in sample {unseen[0]!r}; show more frames, or other "
                "ones",
            )
        ]

    def _of_entropy(self, entropy: float | None) -> list[tuple[str, str]]:
        settings = self.settings
        if entropy is None:
            return []
        _push(self._entropies, entropy, settings.window)
        if len(self._entropies) < settings.window:
            return []
        mean = float(np.mean(self._entropies))
        if self._first_entropy is None:
            self._first_entropy = mean
        bound = min(settings.least_entropy, settings.least_share * self._first_entropy)
        if mean >= bound:
            return []
        return [
            (
                "entropy",
                f"the entropy of a token has fallen from {self._first_entropy:.3f} to {mean:.4f} "
                "nats: all rollouts of a group say the same. Lower the learning rate, raise "
                "divergence_weight or entropy_weight, or go back to an earlier checkpoint",
            )
        ]

    def _new(self, found: Sequence[tuple[str, str]]) -> list[str]:
        """Return those that have not been told for a while."""
        told = []
        for key, text in found:
            last = self._told.get(key)
            if last is None or self._step - last >= self.settings.repeat:
                self._told[key] = self._step
                told.append(text)
        return told


def _list_facts(rollout: Rollout, score: Score) -> RolloutFacts:
    visible = rollout.sample.visible()
    shows = None
    if rollout.episode is not None and visible.any():
        shown = {i for one in rollout.episode.selections for i in one.indices}
        shows = bool(visible[sorted(shown)].any())
    return RolloutFacts(
        rollout.sample.id, rollout.group, rollout.error, score.total, dict(score.parts), shows
    )


def _push(history: deque[float] | deque[tuple[float, float]], value: object, window: int) -> None:
    history.append(value)  # type: ignore[arg-type]
    while len(history) > window:
        history.popleft()
