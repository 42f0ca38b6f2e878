"""From the steps of a rollout to the sequences that are trained on.

A turn's conversation usually begins with the conversation and the answer of the turn before. Then
all turns are one sequence, which is computed once and in which every answer is trained. Where it
does not (another question, an earlier turn told in other words), each is a sequence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from videoseg_o3 import Conversation, TurnSpan

from videoseg_train.episode_chat import StageName, Step
from videoseg_train.errors import TrainingError
from videoseg_train.rollout import Rollout

__all__ = ["TrainingSequence", "make_filler", "make_sequences"]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSequence:
    """A conversation of L tokens, some of which the policy has written.

    Args:
        conversation: Its tokens and images.
        steps: The answers in it, in order.
        turns: Where each of them stands; ``num_masks`` is the number of its ``[SEG]`` that have
            a state.
    """

    conversation: Conversation
    steps: tuple[Step, ...]
    turns: tuple[TurnSpan, ...]

    def __len__(self) -> int:
        return len(self.conversation.tokens)

    @property
    def own(self) -> Tensor:
        """Which tokens are the policy's own, shape (L,), dtype bool."""
        own = torch.zeros(len(self), dtype=torch.bool)
        for turn in self.turns:
            own[turn.start : turn.stop] = True
        return own

    @property
    def positions(self) -> Tensor:
        """The indices of the n tokens that are the policy's own, shape (n,), ascending."""
        return self.own.nonzero()[:, 0]

    @property
    def targets(self) -> Tensor:
        """The policy's own tokens, shape (n,)."""
        return torch.tensor([token for step in self.steps for token in step.tokens])

    @property
    def num_own(self) -> int:
        """How many tokens are the policy's own."""
        return sum(len(step.tokens) for step in self.steps)

    @property
    def log_probs(self) -> Tensor:
        """Log-probabilities of its own tokens as they were sampled, shape (n,), dtype float32.

        Raises:
            TrainingError: If a teacher has answered.
        """
        found = [step.log_probs for step in self.steps if step.log_probs is not None]
        if len(found) < len(self.steps):
            raise TrainingError(
                "demonstrations of a teacher have no log-probabilities; train on them with SFT"
            )
        return torch.cat(found)

    @property
    def seg_positions(self) -> tuple[tuple[int, ...], ...]:
        """For each answer the indices of its ``[SEG]`` in the conversation."""
        return tuple(
            tuple(turn.start + place for place in step.seg_places)
            for step, turn in zip(self.steps, self.turns, strict=True)
        )


def make_sequences(
    rollout: Rollout, *, stages: Sequence[StageName] = ("grounder",)
) -> list[TrainingSequence]:
    """Return what a rollout is trained on.

    Args:
        rollout: The rollout, or the demonstration of a teacher.
        stages: Whose questions' answers are trained on.

    Returns:
        As few sequences as possible; each answer is in exactly one of them, with exactly the
        tokens that were sampled. None if nothing was answered.
    """
    made: list[TrainingSequence] = []
    for step in rollout.steps:
        if step.stage not in stages:
            continue
        whole = step.conversation.extended(step.tokens)
        turn = TurnSpan(
            len(step.conversation.tokens),
            len(whole.tokens),
            None if step.seg_states is None else len(step.seg_states),
        )
        before = _find_beginning(made, step.conversation)
        if before is None:
            made.append(TrainingSequence(whole, (step,), (turn,)))
        else:
            earlier = made[before]
            made[before] = TrainingSequence(whole, (*earlier.steps, step), (*earlier.turns, turn))
    return made


def make_filler(token: int) -> TrainingSequence:
    """Return a sequence of one own token behind another, for a process that has none."""
    conversation = Conversation((token,))
    step = Step("grounder", 0, conversation, (token,), "")
    return TrainingSequence(conversation.extended((token,)), (step,), (TurnSpan(1, 2),))


def _find_beginning(made: Sequence[TrainingSequence], conversation: Conversation) -> int | None:
    """Return the last sequence with which a conversation begins."""
    for number in reversed(range(len(made))):
        start = made[number].conversation
        length, count = len(start.tokens), len(start.images)
        digests = [image.digest for image in conversation.images[:count]]
        if conversation.tokens[:length] == start.tokens and digests == [
            image.digest for image in start.images
        ]:
            return number
    return None
