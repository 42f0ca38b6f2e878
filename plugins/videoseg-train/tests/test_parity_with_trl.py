"""The loss and the gradient of TRL's GRPO trainer, on a batch of text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from videoseg_train import GrpoSettings, Stages, run_rollouts
from videoseg_train.losses import GrpoLoss, make_batch
from videoseg_train.network import PolicyNetwork
from videoseg_train.objective import group_advantages

import videoseg as vs
from videoseg.types import Grounding, Message, TextPart, Thought

pytest.importorskip("trl")
pytest.importorskip("datasets")

BETA, CLIP, LONGEST = 0.3, (0.05, 0.1), 20


class Asking:
    """A grounder that shows nothing, so that TRL can compute the same conversation."""

    def __init__(self, chat):
        self.chat = chat

    def step(self, episode):
        message = Message("user", (TextPart(f"{episode.query}, please."),))
        reply = self.chat.chat([message], max_tokens=16, seed=episode.seed)[0]
        return Grounding(None, (), Thought(reply.text))


def trainer_of_trl(policy, loss_type, corrects, folder):
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    config = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        num_generations=2,
        beta=BETA,
        epsilon=CLIP[0],
        epsilon_high=CLIP[1],
        loss_type=loss_type,
        use_bias_correction_kl=corrects,
        max_completion_length=LONGEST,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
    )
    return GRPOTrainer(
        model=policy.vlm,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "a"}, {"prompt": "b"}]),
        processing_class=policy.tokenizer,
    )


def pad(rows, *, left=False):
    """Return rows of numbers as a tensor, and where they are no padding."""
    longest = max(map(len, rows))
    values = torch.zeros(len(rows), longest, dtype=torch.as_tensor(rows[0]).dtype)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(0, len(row))
        values[number, place] = torch.as_tensor(row)
        mask[number, place] = 1
    return values, mask


@pytest.mark.parametrize("is_old", [False, True], ids=["on-policy", "used again"])
@pytest.mark.parametrize(
    ("loss_type", "weighting", "corrects"),
    [
        ("grpo", "sequence", False),
        ("grpo", "sequence", True),
        ("bnpo", "token", False),
        ("dr_grpo", "constant", True),
    ],
)
def test_loss_and_gradient_are_those_of_trl(
    loss_type, weighting, corrects, is_old, load_policy, samples, tmp_path
):
    policy = load_policy(max_tokens=16)
    # The tiny model is wild, so that float32 alone makes a difference of 4e-6 in its chances.
    with torch.no_grad():
        for value in policy.vlm.parameters():
            value *= 0.2 if value.ndim > 1 else 1.0
    stages = Stages(vs.use("uniform", num_frames=2), Asking(policy.chat), 1)
    rollouts = run_rollouts(policy, stages, samples[:1], group_size=3, seed=1)
    # Noise hardly ever ends an answer, and with answers of one length padding would not matter.
    policy.max_tokens = 9
    rollouts += run_rollouts(policy, stages, samples[1:], group_size=3, seed=1, first_group=1)
    assert len({rollout.num_tokens for rollout in rollouts}) > 1
    generator = torch.Generator().manual_seed(0)
    rewards = torch.rand(2, 3, generator=generator)
    advantages = group_advantages(rewards).flatten()
    batch = make_batch(policy, rollouts, stages=("grounder",))
    reference, sampled = (
        [
            one.log_probs + 0.2 * torch.randn(one.num_own, generator=generator)
            for one in batch.sequences
        ]
        for _ in range(2)
    )
    settings = GrpoSettings(
        divergence_weight=BETA,
        correct_divergence=corrects,
        clip=CLIP,
        weighting=weighting,
        max_tokens=LONGEST,
    )
    loss = GrpoLoss(
        PolicyNetwork(policy),
        batch,
        settings,
        advantages=advantages.tolist(),
        reference=reference,
        sampled=sampled if is_old else None,
    )
    mine = loss([0, 1, 2]) + loss([3, 4, 5])
    assert (loss.sums["clipped"] > 0) == is_old
    mine.backward()
    gradients = {n: p.grad.clone() for n, p in policy.vlm.named_parameters() if p.grad is not None}
    policy.vlm.zero_grad()

    trainer = trainer_of_trl(policy, loss_type, corrects, tmp_path)
    trainer.current_gradient_accumulation_steps = 1
    steps = [rollout.steps[0] for rollout in rollouts]
    prompts, prompt_mask = pad([step.conversation.tokens for step in steps], left=True)
    answers, answer_mask = pad([step.tokens for step in steps])
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": prompt_mask,
        "completion_ids": answers,
        "completion_mask": answer_mask,
        "advantages": advantages,
        "ref_per_token_logps": pad(reference)[0],
    }
    if is_old:
        inputs["old_per_token_logps"] = pad(sampled)[0]
    model = policy.vlm.train()
    theirs = trainer._compute_loss(model, inputs)
    assert abs(mine.item() - theirs.item()) < 1e-6
    theirs.backward()
    found = {n: p.grad for n, p in policy.vlm.named_parameters() if p.grad is not None}
    for name, gradient in gradients.items():
        other = found.get(name, torch.zeros_like(gradient))
        torch.testing.assert_close(
            gradient, other, atol=1e-6, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_advantages_are_those_of_trl():
    # As in GRPOTrainer._generate_and_score_completions: (reward - mean) / (deviation + 1e-4).
    rewards = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    expected = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    torch.testing.assert_close(group_advantages(rewards), expected)
    assert replace(GrpoSettings(), group_size=4).advantage_epsilon == 1e-4
