"""The policy as one module: sequences in, log-probabilities and masks out, with gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from videoseg_o3 import (
    BatchStates,
    FrameFeatures,
    SegAlignment,
    SegModel,
    batch_hidden_states,
    token_logits,
    turn_mask_logits,
)

from videoseg_train.objective import token_entropy, token_log_probs
from videoseg_train.policy import Policy
from videoseg_train.sequences import TrainingSequence

__all__ = ["MaskRequest", "NetworkOutput", "PolicyNetwork", "sequence_log_probs"]


@dataclass(frozen=True, slots=True)
class MaskRequest:
    """The masks that are to be decoded for a batch of sequences.

    Args:
        alignment: The m ``[SEG]``; see ``videoseg_o3.align_seg_tokens``.
        features: Of all frames.
        shown: On which of these frames each is decoded.
    """

    alignment: SegAlignment
    features: FrameFeatures
    shown: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkOutput:
    """What the network gives for b sequences.

    Args:
        log_probs: Of the policy's own tokens of each, shape (n,), with gradient.
        entropies: Of the distributions that they were taken from, shape (n,).
        masks: The logits of each ``[SEG]``, shape (number of its frames, S, S), with gradient.
    """

    log_probs: list[Tensor]
    entropies: list[Tensor]
    masks: list[Tensor]


class PolicyNetwork(nn.Module):
    """What is trained, as accelerate wraps it: one call computes all that a loss needs.

    Args:
        policy: The policy, whose model it shares.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.model = policy.model
        # Where FSDP wraps layers of transformers, these are its units. Layers of the vision
        # tower are none: a process without images would not take part in their exchange.
        names = getattr(policy.vlm, "_no_split_modules", None) or ()
        self._no_split_modules = [name for name in names if "Vision" not in name]

    def forward(
        self, sequences: Sequence[TrainingSequence], masks: MaskRequest | None = None
    ) -> NetworkOutput:
        """Compute log-probabilities of the policy's own tokens, and masks."""
        model = self.model
        vlm = model.vlm if isinstance(model, SegModel) else model
        states = _states(vlm, sequences)
        logits = _own_logits(vlm, states, sequences)
        tokens = torch.cat([one.targets for one in sequences])
        counts = [one.num_own for one in sequences]
        log_probs = token_log_probs(logits, tokens)
        entropies = token_entropy(logits)
        decoded: list[Tensor] = []
        if masks is not None and len(masks.alignment):
            decoded = turn_mask_logits(
                model,
                states.states[None],
                _in_one_row(masks.alignment, states),
                masks.features,
                masks.shown,
            )
        return NetworkOutput(
            _copies(log_probs, counts),
            _copies(entropies, counts),
            [logits.clone() for logits in decoded],
        )


def _copies(values: Tensor, counts: list[int]) -> list[Tensor]:
    """Return parts of a tensor; FSDP wants no views of it."""
    return [part.clone() for part in torch.split(values, counts)]


def sequence_log_probs(vlm: Any, sequences: Sequence[TrainingSequence]) -> list[Tensor]:
    """Return the log-probabilities of the policy's own tokens in another model, no gradient."""
    with torch.no_grad():
        logits = _own_logits(vlm, _states(vlm, sequences), sequences)
        tokens = torch.cat([one.targets for one in sequences])
        counts = [one.num_own for one in sequences]
        return list(torch.split(token_log_probs(logits, tokens), counts))


def _states(vlm: Any, sequences: Sequence[TrainingSequence]) -> BatchStates:
    """Compute sequences; what those of a group begin with in common is computed once."""
    return batch_hidden_states(
        vlm,
        [one.conversation for one in sequences],
        heads=[one.turns[0].start for one in sequences],
    )


def _own_logits(vlm: Any, states: BatchStates, sequences: Sequence[TrainingSequence]) -> Tensor:
    """Return the logits that the policy's own tokens were taken from, shape (n, vocabulary)."""
    # The state before a token gives its logits.
    places = torch.cat(
        [
            there[(one.positions - 1).to(there.device)]
            for one, there in zip(sequences, states.places, strict=True)
        ]
    )
    return token_logits(vlm, states.states[places])


def _in_one_row(alignment: SegAlignment, states: BatchStates) -> SegAlignment:
    """Return where the ``[SEG]`` stand among all states that have been computed."""
    tokens = tuple(
        replace(token, row=0, position=int(states.places[token.row][token.position]))
        for token in alignment.tokens
    )
    return SegAlignment(tokens, alignment.problems)
