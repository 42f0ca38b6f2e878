"""How objects and the background compete for pixels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["aggregate", "competing_odds", "merge_given"]


def competing_odds(masks: Tensor) -> Tensor:
    """Return the odds of the background and of each object, shape (1 + N, ...).

    Args:
        masks: Probability of each object alone, shape (N, ...).
    """
    background = (1 - masks).prod(dim=0, keepdim=True)
    chances = torch.cat([background, masks]).clamp_(1e-7, 1 - 1e-7)
    return chances / (1 - chances)


def aggregate(masks: Tensor) -> Tensor:
    """Let objects and background compete (soft aggregation, Oh et al., ICCV 2019).

    Args:
        masks: Probability of each object alone, shape (N, H, W).

    Returns:
        Probabilities of the background and each object, shape (1 + N, H, W), which sum to 1.
    """
    odds = competing_odds(masks)
    return odds / odds.sum(dim=0, keepdim=True)


def merge_given(predicted: Tensor | None, given: Mapping[int, Tensor], num_objects: int) -> Tensor:
    """Return masks of all objects, the given ones first of all, shape (num_objects, H, W).

    Args:
        predicted: Probabilities of the background and of the first objects, if there are any.
        given: At least one mask, 0 or 1, shape (H, W), by the number of its object.
        num_objects: How many objects there are.
    """
    masks = next(iter(given.values())).new_zeros(num_objects, *next(iter(given.values())).shape)
    if predicted is not None:
        masks[: len(predicted) - 1] = predicted[1:]
        taken = torch.stack(list(given.values())).sum(dim=0) > 0.5
        masks.masked_fill_(taken, 0)
    for number, mask in given.items():
        masks[number] = mask
    return masks
