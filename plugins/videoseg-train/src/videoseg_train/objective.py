"""The terms of the losses, as functions of tensors.

Sources: GRPO (arXiv 2402.03300, section 4.1); VideoSeg-R1 (arXiv 2511.16077) with VisionReasoner's
settings; VideoSEG-O3 (arXiv 2606.06819) with its released trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    interpolate,
)

from videoseg import ConfigError

__all__ = [
    "AdvantageScale",
    "TokenWeighting",
    "calibrate",
    "calibration_target",
    "clipped_policy_loss",
    "dice_loss",
    "group_advantages",
    "k3_divergence",
    "mask_cross_entropy",
    "mask_log_likelihood",
    "resize_logits",
    "token_entropy",
    "token_log_probs",
    "token_weights",
]

AdvantageScale: TypeAlias = Literal["group", "none"]
TokenWeighting: TypeAlias = Literal["sequence", "token", "constant"]

CALIBRATION_SIDE = 32
"""Masks are compared at 32 x 32; from the released trainer."""
RELEASED_THRESHOLD = 0.5
"""Where the released trainer cuts the sampled logits, though they are no probabilities."""
FIXED_THRESHOLD = 0.0
"""Where masks are cut everywhere else."""


# -- tokens ----------------------------------------------------------------------------------


def token_log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the log-probabilities of tokens at temperature 1.

    Args:
        logits: Shape (n, vocabulary).
        tokens: Shape (n,).

    Returns:
        Shape (n,), dtype float32.
    """
    logits = logits.float()
    chosen = logits.gather(-1, tokens[:, None].to(logits.device))[:, 0]
    return chosen - logits.logsumexp(-1)


def token_entropy(logits: Tensor) -> Tensor:
    """Return the entropy in nats of each distribution, shape (n,), for logits (n, vocabulary)."""
    log_probs = logits.float().log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def token_weights(
    counts: Sequence[int],
    weighting: TokenWeighting,
    *,
    num_rollouts: int | None = None,
    num_tokens: int | None = None,
    max_tokens: int | None = None,
) -> list[float]:
    """Return the weight in the loss of each token of each rollout.

    ``sequence``: the mean over a rollout's tokens, then over rollouts (the original GRPO, TRL's
    ``grpo``, VideoSEG-O3). ``token``: the mean over all tokens (VisionReasoner, TRL's ``dapo``).
    ``constant``: the sum over a rollout's tokens by a constant, then the mean over rollouts
    (Dr. GRPO, arXiv 2503.20783).

    Args:
        counts: How many tokens each rollout has here.
        weighting: One of the three.
        num_rollouts: How many rollouts there are in all processes; by default, these.
        num_tokens: How many tokens they have; by default, those of these.
        max_tokens: The constant for ``constant``: the most tokens that a rollout may have.

    Raises:
        ConfigError: If ``constant`` comes without ``max_tokens``.
    """
    rollouts = len(counts) if num_rollouts is None else num_rollouts
    tokens = sum(counts) if num_tokens is None else num_tokens
    if weighting == "sequence":
        return [1.0 / (rollouts * count) if count else 0.0 for count in counts]
    if weighting == "token":
        return [1.0 / tokens if tokens else 0.0] * len(counts)
    if not max_tokens:
        raise ConfigError("the token weighting 'constant' needs max_tokens")
    return [1.0 / (rollouts * max_tokens)] * len(counts)


# -- GRPO ------------------------------------------------------------------------------------


def group_advantages(
    rewards: Tensor, *, scale: AdvantageScale = "group", epsilon: float = 1e-4
) -> Tensor:
    """Return how much better each rollout is than its group.

    (reward - mean) / (standard deviation + epsilon), with the unbiased deviation.

    Args:
        rewards: Shape (P, G), the G rollouts of P prompts.
        scale: ``none`` leaves out the division (Dr. GRPO).
        epsilon: 1e-4 in TRL and VideoSEG-O3, 1e-6 in VisionReasoner.

    Returns:
        Shape (P, G). A group of one keeps its reward, with nothing to compare it to
        (VisionReasoner: mean 0, deviation 1).
    """
    if rewards.shape[1] == 1:
        return rewards.clone()
    centered = rewards - rewards.mean(1, keepdim=True)
    if scale == "none":
        return centered
    advantages: Tensor = centered / (rewards.std(1, keepdim=True) + epsilon)
    return advantages


def k3_divergence(log_probs: Tensor, reference: Tensor, *, limit: float | None = None) -> Tensor:
    """Return the estimate k3 of the divergence from a reference: exp(d) - d - 1, d = ref - own.

    Args:
        log_probs: Of the sampled tokens, shape (n,).
        reference: The reference's, shape (n,).
        limit: Clamp of d to [-limit, limit]; 10 in VisionReasoner, None in TRL and VideoSEG-O3.

    Returns:
        Shape (n,), at least 0.
    """
    difference = reference - log_probs
    if limit is not None:
        difference = difference.clamp(-limit, limit)
    return difference.exp() - difference - 1


def clipped_policy_loss(
    log_probs: Tensor,
    sampled: Tensor,
    advantages: Tensor,
    *,
    clip: float | tuple[float, float] | None = 0.2,
) -> tuple[Tensor, Tensor]:
    """Return the policy loss of each token, max(-A r, -A clamp(r, 1 - low, 1 + high)).

    Args:
        log_probs: Of the sampled tokens now, with gradient, shape (n,).
        sampled: As they were sampled, shape (n,).
        advantages: Of the rollout of each token, shape (n,).
        clip: ``low`` and ``high``, or both in one; None for no clipping (VideoSEG-O3 as released,
            where each rollout is used once and the ratio is always 1).

    Returns:
        The losses, shape (n,), and which tokens were clipped, shape (n,), dtype bool.
    """
    ratio = (log_probs - sampled).exp()
    loss = -advantages * ratio
    if clip is None:
        return loss, torch.zeros_like(loss, dtype=torch.bool)
    low, high = clip if isinstance(clip, tuple) else (clip, clip)
    bounded = -advantages * ratio.clamp(1 - low, 1 + high)
    is_clipped = ((ratio < 1 - low) & (advantages < 0)) | ((ratio > 1 + high) & (advantages > 0))
    return torch.maximum(loss, bounded), is_clipped


# -- masks -----------------------------------------------------------------------------------


def resize_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Return logits, shape (m, H, W), at another size, bilinear without aligned corners."""
    resized: Tensor = interpolate(logits[:, None].float(), size, mode="bilinear")
    return resized[:, 0]


def calibration_target(
    sampled: Tensor,
    *,
    side: int = CALIBRATION_SIDE,
    threshold: float = FIXED_THRESHOLD,
) -> Tensor:
    """Return the masks that the policy has sampled, as calibration sees them.

    Args:
        sampled: Logits of the rollout's masks, shape (m, H, W); for calibration towards the truth,
            +1 inside of the true masks and -1 outside.
        side: Their height and width.
        threshold: Above which logit a pixel belongs to a mask, after resizing: 0 as masks are cut
            elsewhere; ``RELEASED_THRESHOLD`` as the released trainer.

    Returns:
        Shape (m, side, side), dtype float32, 0 or 1.
    """
    with torch.no_grad():
        return (resize_logits(sampled, (side, side)) > threshold).float()


def mask_log_likelihood(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean log-likelihood of each mask's pixels.

    Args:
        logits: With gradient, shape (m, H, W).
        target: From ``calibration_target``, shape (m, S, S).

    Returns:
        Shape (m,), at most 0.
    """
    resized = resize_logits(logits, (target.shape[1], target.shape[2]))
    loss = binary_cross_entropy_with_logits(resized, target, reduction="none")
    return -loss.mean((1, 2))


def calibrate(
    log_probs: Tensor, places: Tensor, likelihoods: Tensor, *, weight: float = 1.0
) -> Tensor:
    """Let the likelihood of a ``[SEG]``'s mask pull where its log-probability does.

    SEG-aware logit calibration of VideoSEG-O3: values stay, so the ratio does; the gradient at a
    ``[SEG]`` becomes that of log-probability + weight x log-likelihood of its mask. Apply it
    between divergence and ratio, so that only the ratio sees it.

    Args:
        log_probs: Of the n tokens, shape (n,).
        places: Which of them are ``[SEG]`` with a mask, shape (m,).
        likelihoods: Of these masks, with gradient, shape (m,).
        weight: 1 in the released trainer.

    Returns:
        Shape (n,).
    """
    pull = weight * (likelihoods - likelihoods.detach())
    return log_probs.index_add(0, places.to(log_probs.device), pull.to(log_probs))


def mask_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of each mask's pixels, shape (m,).

    Args:
        logits: Shape (m, h, w); resized to the masks.
        masks: The true masks, shape (m, H, W), 0 or 1.
    """
    resized = resize_logits(logits, (masks.shape[1], masks.shape[2]))
    loss = binary_cross_entropy_with_logits(resized, masks.to(resized), reduction="none")
    return loss.mean((1, 2))


def dice_loss(logits: Tensor, masks: Tensor, *, smoothing: float = 1.0) -> Tensor:
    """Return the Dice loss of each mask, 1 - (2 sum pg + s) / (sum p + sum g + s), shape (m,).

    Args:
        logits: Shape (m, h, w); resized to the masks.
        masks: The true masks, shape (m, H, W), 0 or 1.
        smoothing: s; 1 in the released trainer.
    """
    chances = resize_logits(logits, (masks.shape[1], masks.shape[2])).sigmoid()
    masks = masks.to(chances)
    shared = (chances * masks).sum((1, 2))
    total = chances.sum((1, 2)) + masks.sum((1, 2))
    return 1 - (2 * shared + smoothing) / (total + smoothing)
