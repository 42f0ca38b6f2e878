"""The whole way: a teacher, demonstrations, fine-tuning, answers that can be read, rewards."""

from __future__ import annotations

import pytest
from videoseg_train import (
    GrpoSettings,
    OptimizerSettings,
    RewardTerm,
    Stages,
    Trainer,
    record_demonstrations,
    run_rollouts,
)

import videoseg as vs
from videoseg.types import ChatReply

SELECT = '<think>Later.</think><select>{"start": 2, "end": 5, "keyframe": 4}</select>'
ANSWER = '<answer>{"start": 2, "end": 5, "keyframe": 4, "objects": [{"bbox_2d": [8, 9, 70, 90]}]}'


class Teacher:
    """Looks once, then answers; always the same."""

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        has_looked = any(message.role == "assistant" for message in messages)
        return [ChatReply(f"<think>Here.</think>{ANSWER}</answer>" if has_looked else SELECT)]


def found(rollout, truth):
    return float(rollout.grounding is not None and len(rollout.grounding.prompts) == len(truth))


@pytest.mark.slow
def test_a_policy_learns_to_look_and_to_answer(load_policy, samples):
    policy = load_policy(max_tokens=160, temperature=0.3)
    stages = Stages(
        vs.use("coarse", preset="rollout", num_context=2, num_detail=1, num_look=2),
        vs.use("o3", answer="text", max_tokens=200),
        max_turns=2,
    )
    [untrained] = run_rollouts(policy, stages, samples[:1], greedy=True)
    assert untrained.error
    [demonstration] = record_demonstrations(policy, stages, samples[:1], lambda *_: Teacher())
    assert demonstration.error is None
    assert [type(move).__name__ for move in demonstration.episode.moves] == ["Look", "Grounding"]
    assert demonstration.grounding.keyframe == 4
    trainer = Trainer(policy, OptimizerSettings(learning_rate=5e-3, weight_decay=0))
    for _ in range(90):
        report = trainer.sft_step([demonstration])
        if report.metrics["token_loss"] < 0.02:
            break
    [learned] = run_rollouts(policy, stages, samples[:1], greedy=True)
    assert learned.error is None
    assert learned.texts == demonstration.texts
    assert learned.grounding == demonstration.grounding
    # From here on, GRPO has something to compare.
    report = trainer.grpo_step(
        samples[:1],
        stages,
        [RewardTerm("found", found)],
        GrpoSettings(group_size=4, divergence_weight=0.0),
    )
    assert report.metrics["rewards/found"] > 0.5, [one.error for one in report.rollouts]
    assert report.metrics["turns"] > 1.5
