"""The terms of the losses, each against a slow definition of its own."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from videoseg_r1.rewards import group_advantages as advantages_of_r1
from videoseg_train.objective import (
    RELEASED_THRESHOLD,
    calibrate,
    calibration_target,
    clipped_policy_loss,
    dice_loss,
    group_advantages,
    k3_divergence,
    mask_cross_entropy,
    mask_log_likelihood,
    token_entropy,
    token_log_probs,
    token_weights,
)

from videoseg import ConfigError


@pytest.fixture
def noise():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)


def test_log_probs_and_entropy_are_those_of_the_softmax(noise):
    logits, tokens = noise(5, 7).float(), torch.tensor([0, 6, 3, 3, 1])
    found, entropy = token_log_probs(logits, tokens), token_entropy(logits)
    for row, token, log_prob, spread in zip(logits, tokens, found, entropy, strict=True):
        chances = [math.exp(x) for x in row.tolist()]
        chances = [chance / sum(chances) for chance in chances]
        assert log_prob.item() == pytest.approx(math.log(chances[token]), abs=1e-6)
        assert spread.item() == pytest.approx(-sum(p * math.log(p) for p in chances), abs=1e-6)


@pytest.mark.parametrize("epsilon", [1e-4, 1e-6])
def test_advantages_compare_with_the_group_alone(epsilon, noise):
    rewards = noise(3, 4)
    found = group_advantages(rewards, epsilon=epsilon)
    for group, advantages in zip(rewards.tolist(), found.tolist(), strict=True):
        mean, deviation = statistics.fmean(group), statistics.stdev(group)
        for reward, advantage in zip(group, advantages, strict=True):
            assert advantage == pytest.approx((reward - mean) / (deviation + epsilon))
    if epsilon == 1e-6:
        assert found[0].tolist() == pytest.approx(advantages_of_r1(rewards[0].tolist()).tolist())
    plain = group_advantages(rewards, scale="none")
    centered = rewards[1] - statistics.fmean(rewards[1].tolist())
    assert plain[1].tolist() == pytest.approx(centered.tolist())


def test_a_group_that_does_not_differ_has_no_advantage_and_a_group_of_one_its_reward():
    assert group_advantages(torch.full((2, 4), 3.0)).abs().max() == 0
    assert group_advantages(torch.tensor([[3.0], [-1.0]])).tolist() == [[3.0], [-1.0]]


def test_k3_is_an_estimate_of_the_divergence(noise):
    own, reference = noise(6), noise(6)
    for one, other, found in zip(own, reference, k3_divergence(own, reference), strict=True):
        ratio = math.exp(other - one)
        assert found.item() == pytest.approx(ratio - 1 - math.log(ratio))
    assert k3_divergence(own, own).abs().max() == 0
    # Its mean over samples of a policy is the divergence of policy from reference.
    p, q = noise(5).softmax(0), noise(5).softmax(0)
    expected = (p * (p / q).log()).sum()
    assert (p * k3_divergence(p.log(), q.log())).sum() == pytest.approx(expected.item())
    far = k3_divergence(torch.zeros(1), torch.tensor([50.0]), limit=10.0)
    assert far.item() == pytest.approx(math.exp(10) - 11)


@pytest.mark.parametrize("clip", [0.2, (0.1, 0.3), None])
def test_the_policy_loss_is_clipped_where_it_would_go_too_far(clip, noise):
    now, sampled, advantages = noise(200) * 0.3, noise(200) * 0.3, noise(200)
    found, is_clipped = clipped_policy_loss(now, sampled, advantages, clip=clip)
    low, high = (clip, clip) if isinstance(clip, float) else clip or (math.inf, math.inf)
    for x, y, a, loss, was in zip(now, sampled, advantages, found, is_clipped, strict=True):
        ratio = math.exp(x - y)
        bounded = min(max(ratio, 1 - low), 1 + high)
        assert loss.item() == pytest.approx(-min(ratio * a, bounded * a))
        assert was.item() == (bounded != ratio and bounded * a < ratio * a)
    assert is_clipped.any() == (clip is not None)


def test_both_token_weightings_are_the_means_they_claim(noise):
    losses = [noise(3), noise(5), noise(1)]
    counts = [len(part) for part in losses]

    def total(weights):
        return sum(w * part.sum() for w, part in zip(weights, losses, strict=True))

    by_sequence = torch.stack([part.mean() for part in losses]).mean()
    assert total(token_weights(counts, "sequence")) == pytest.approx(by_sequence.item())
    assert total(token_weights(counts, "token")) == pytest.approx(torch.cat(losses).mean().item())
    constant = total(token_weights(counts, "constant", max_tokens=10))
    assert constant == pytest.approx(torch.cat(losses).sum().item() / 30)
    with pytest.raises(ConfigError, match="max_tokens"):
        token_weights(counts, "constant")
    # Parts of a batch in two processes.
    for weighting in ("sequence", "token"):
        shares = [
            *token_weights(counts[:1], weighting, num_rollouts=3, num_tokens=9),
            *token_weights(counts[1:], weighting, num_rollouts=3, num_tokens=9),
        ]
        assert shares == token_weights(counts, weighting)
    assert token_weights([0, 2], "sequence") == [0.0, 0.25]


# -- calibration -----------------------------------------------------------------------------


def slow_bilinear(mask, side):
    """Sample one mask at the centers of a coarser grid."""
    height, width = mask.shape
    made = torch.empty(side, side, dtype=torch.float64)
    for row in range(side):
        for column in range(side):
            y = min(max((row + 0.5) * height / side - 0.5, 0), height - 1)
            x = min(max((column + 0.5) * width / side - 0.5, 0), width - 1)
            top, left = int(y), int(x)
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            dy, dx = y - top, x - left
            made[row, column] = (
                mask[top, left] * (1 - dy) * (1 - dx)
                + mask[top, right] * (1 - dy) * dx
                + mask[below, left] * dy * (1 - dx)
                + mask[below, right] * dy * dx
            )
    return made


@pytest.mark.parametrize("threshold", [0.0, RELEASED_THRESHOLD])
def test_a_masks_log_likelihood_is_that_of_its_pixels(threshold, noise):
    logits, sampled = noise(2, 64, 64), noise(2, 64, 64)
    target = calibration_target(sampled, threshold=threshold)
    found = mask_log_likelihood(logits, target)
    for number in range(2):
        fine = slow_bilinear(logits[number], 32)
        cut = slow_bilinear(sampled[number], 32) > threshold
        assert torch.equal(target[number].bool(), cut)
        chances = 1 / (1 + (-fine).exp())
        expected = torch.where(cut, chances.log(), (1 - chances).log()).mean()
        assert found[number].item() == pytest.approx(expected.item(), abs=1e-6)
    released = calibration_target(torch.full((1, 8, 8), 0.3), threshold=RELEASED_THRESHOLD)
    assert released.sum() == 0
    assert calibration_target(torch.full((1, 8, 8), 0.3)).min() == 1


def test_calibration_leaves_ratio_and_divergence_and_adds_its_gradient(noise):
    weights = noise(6).requires_grad_()
    other = noise(3, 64, 64).requires_grad_()
    advantage, places = -1.7, torch.tensor([1, 4])
    target = calibration_target(noise(2, 64, 64))

    def chances():
        return torch.nn.functional.logsigmoid(weights * 2), mask_log_likelihood(other[:2], target)

    log_probs, likelihoods = chances()
    sampled, reference = log_probs.detach(), noise(6)
    divergence = k3_divergence(log_probs, reference)
    calibrated = calibrate(log_probs, places, likelihoods)
    assert torch.equal(calibrated, log_probs)
    loss, _ = clipped_policy_loss(calibrated, sampled, torch.full((6,), advantage))
    assert (loss / -advantage).tolist() == pytest.approx([1.0] * 6)
    own, masks = torch.autograd.grad(loss.mean(), (weights, other), retain_graph=True)
    # The definition: - A grad(l + l_mask at its place) / |m|, summed over tokens.
    slow, pixels = chances()
    added = slow.clone()
    for place, likelihood in zip(places, pixels, strict=True):
        added[place] = added[place] + likelihood
    expected = torch.autograd.grad(-advantage * added.sum() / 6, (weights, other))
    torch.testing.assert_close((own, masks), expected)
    assert masks[2].abs().max() == 0
    # The divergence does not know the masks.
    assert torch.autograd.grad(divergence.sum(), other, allow_unused=True) == (None,)


def test_the_weight_of_calibration_scales_its_gradient_alone(noise):
    log_probs = noise(3).requires_grad_()
    likelihoods = noise(1).requires_grad_()
    for weight in (0.0, 2.5):
        calibrated = calibrate(log_probs, torch.tensor([2]), likelihoods, weight=weight)
        own, masks = torch.autograd.grad(calibrated.sum(), (log_probs, likelihoods))
        assert own.tolist() == [1.0, 1.0, 1.0]
        assert masks.tolist() == [weight]


# -- losses of masks ---------------------------------------------------------------------------


def test_mask_losses_are_their_definitions_at_the_size_of_the_truth(noise):
    logits, masks = noise(2, 4, 4), noise(2, 8, 8) > 0
    cross, dice = mask_cross_entropy(logits, masks), dice_loss(logits, masks)
    for number in range(2):
        chances = torch.sigmoid(slow_bilinear(logits[number], 8))
        truth = masks[number].double()
        entropy = -(truth * chances.log() + (1 - truth) * (1 - chances).log()).mean()
        overlap = (2 * (chances * truth).sum() + 1) / (chances.sum() + truth.sum() + 1)
        assert cross[number].item() == pytest.approx(entropy.item(), abs=1e-6)
        assert dice[number].item() == pytest.approx(1 - overlap.item(), abs=1e-6)
    nothing = torch.zeros(1, 8, 8)
    assert dice_loss(torch.full((1, 8, 8), -50.0), nothing).item() == pytest.approx(0)
