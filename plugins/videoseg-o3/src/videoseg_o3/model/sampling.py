"""Choosing the next token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Decoding", "choose_tokens", "random_numbers"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen.

    Args:
        temperature: 0 for the most likely token.
        top_p: Cumulative probability of the tokens that are sampled from.
        max_tokens: Upper bound on the tokens of an answer.
        complete_last: Compute the state of a ``[SEG]`` that is the very last token, at which an
            answer was cut off. The released model has no embedding for it.
        forbidden: Tokens that are never said.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    complete_last: bool = True
    forbidden: tuple[int, ...] = ()


def choose_tokens(logits: Tensor, decoding: Decoding, drawn: Tensor) -> Tensor:
    """Return the next token of each row, shape (B,).

    Args:
        logits: Shape (B, vocabulary), dtype float32.
        decoding: How tokens are chosen.
        drawn: A number in [0, 1) for each row: which part of the distribution is taken.
    """
    if decoding.forbidden:
        tokens = torch.tensor(decoding.forbidden, device=logits.device)
        logits = logits.index_fill(-1, tokens, -torch.inf)
    if decoding.temperature <= 0:
        return logits.argmax(-1)
    chances = (logits / decoding.temperature).softmax(-1)
    if decoding.top_p < 1:
        chances, order = chances.sort(dim=-1, descending=True, stable=True)
        before = chances.cumsum(-1) - chances
        chances = chances.where(before < decoding.top_p, 0.0)
    sums = chances.cumsum(-1)
    total = sums[:, -1:]
    # Below the total, whatever the rounding, so that no token without a chance is taken.
    wanted = torch.minimum(drawn.to(total)[:, None] * total, total.nextafter(total.new_zeros(())))
    chosen = torch.searchsorted(sums, wanted, right=True)
    if decoding.top_p < 1:
        chosen = order.gather(-1, chosen)
    return chosen[:, 0]


def random_numbers(seed: int, index: int) -> Iterator[float]:
    """Yield numbers in [0, 1), the same on every device."""
    generator = np.random.default_rng([seed % 2**64, index])
    while True:
        yield generator.random()
