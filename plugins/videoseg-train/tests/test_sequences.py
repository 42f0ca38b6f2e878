"""Training sequences: the tokens that were sampled, where they stand, and their chances."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training_toys import FewFrames, LookingGrounder
from videoseg_o3 import token_logits
from videoseg_train import Stages, TrainingError, make_sequences, record_demonstrations
from videoseg_train import run_rollouts as run
from videoseg_train.objective import token_log_probs

import videoseg as vs
from videoseg.types import ChatReply


def roll(policy, samples, *, turns=3, **options):
    stages = Stages(FewFrames(), LookingGrounder(policy.chat), turns)
    return run(policy, stages, samples, group_size=2, **options)


def recompute(policy, sequence):
    hidden = policy.hidden_states(sequence.conversation)
    logits = token_logits(policy.vlm, hidden[sequence.positions - 1])
    return token_log_probs(logits, sequence.targets)


@pytest.mark.parametrize("kind", ["text", "seg"])
@pytest.mark.parametrize("turns", [1, 3])
def test_log_probs_with_gradient_are_those_of_the_rollout(kind, turns, load_policy, samples):
    policy = load_policy(kind)
    for rollout in roll(policy, samples, turns=turns):
        [sequence] = make_sequences(rollout)
        assert len(sequence.turns) == turns
        again = recompute(policy, sequence)
        assert again.requires_grad
        torch.testing.assert_close(again.detach(), sequence.log_probs, atol=1e-4, rtol=0)


def test_a_sequence_has_every_token_of_the_policy_once(load_policy, samples):
    policy = load_policy()
    for rollout in roll(policy, samples):
        [sequence] = make_sequences(rollout)
        tokens = torch.tensor(sequence.conversation.tokens)
        said = [token for step in rollout.steps for token in step.tokens]
        assert tokens[sequence.own].tolist() == said == sequence.targets.tolist()
        assert sequence.num_own == rollout.num_tokens == int(sequence.own.sum())
        # What others say is not trained: questions, roles, images.
        others = tokens[~sequence.own].tolist()
        assert others.count(policy.vlm.config.image_token_id) == sum(
            image.num_tokens for image in sequence.conversation.images
        )


def test_the_nth_image_of_the_text_is_the_nth_in_the_pixels(load_policy, samples):
    policy = load_policy()
    rollout = roll(policy, samples)[0]
    [sequence] = make_sequences(rollout)
    shown = [index for s in rollout.episode.selections for index in s.indices]
    video = rollout.sample.video
    for image, index in zip(sequence.conversation.images, shown, strict=True):
        part = vs.types.ImagePart(video[index], max_pixels=64 * 64)
        [alone] = policy.reader.read([vs.types.Message("user", (part,))]).images
        assert torch.equal(image.make_patches(), alone.make_patches())


def test_seg_tokens_and_states_stand_where_the_policy_said_them(load_policy, samples):
    policy = load_policy("seg")
    count = 0
    for rollout in roll(policy, samples):
        [sequence] = make_sequences(rollout)
        hidden = policy.hidden_states(sequence.conversation).detach()
        for step, places, turn in zip(
            sequence.steps, sequence.seg_positions, sequence.turns, strict=True
        ):
            assert turn.num_masks == len(places)
            assert all(sequence.conversation.tokens[at] == policy.seg_token for at in places)
            torch.testing.assert_close(hidden[list(places)], step.seg_states, atol=1e-4, rtol=1e-4)
            count += len(places)
    assert count


def test_turns_that_do_not_continue_are_sequences_of_their_own(load_policy, samples):
    policy = load_policy()
    rollout = roll(policy, samples)[0]
    first, second, third = rollout.steps
    # The grounder tells the first answer in other words in the last turn.
    tokens = list(third.conversation.tokens)
    tokens[len(first.conversation.tokens)] += 1
    other = replace(third.conversation, tokens=tuple(tokens))
    changed = replace(rollout, steps=(first, second, replace(third, conversation=other)))
    one, two = make_sequences(changed)
    assert one.steps == (first, second)
    assert two.steps[0].tokens == third.tokens
    assert one.num_own + two.num_own == rollout.num_tokens


def test_answers_to_the_sampler_are_trained_on_request(load_policy, samples):
    policy = load_policy()
    grounder = LookingGrounder(policy.chat)
    stages = Stages(vs.use("htfs", num_spans=2, num_positions=2), grounder, 1)
    [rollout] = run(policy, stages, samples[:1], trained=("sampler", "grounder"))
    assert sum(len(s.steps) for s in make_sequences(rollout)) == 1
    everything = make_sequences(rollout, stages=("sampler", "grounder"))
    assert sum(len(s.steps) for s in everything) == len(rollout.steps)
    for sequence in everything:
        torch.testing.assert_close(
            recompute(policy, sequence).detach(), sequence.log_probs, atol=1e-4, rtol=0
        )


class Teacher:
    def __init__(self, sample):
        self.sample, self.count = sample, 0

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        self.count += 1
        return [ChatReply(f"{self.sample.id}, [SEG] number {self.count}")]


def test_a_teachers_answers_are_sequences_like_the_policys(load_policy, samples):
    policy = load_policy("seg")
    stages = Stages(FewFrames(), LookingGrounder(policy.chat), 2)
    rollouts = record_demonstrations(policy, stages, samples, lambda sample, _: Teacher(sample))
    for number, rollout in enumerate(rollouts):
        assert rollout.error is None
        assert rollout.texts == tuple(f"clip {number}, [SEG] number {n}" for n in (1, 2))
        [sequence] = make_sequences(rollout)
        said = policy.tokenizer.decode(sequence.targets.tolist())
        assert said == "".join(f"{text}<|im_end|>" for text in rollout.texts)
        assert [len(places) for places in sequence.seg_positions] == [1, 1]
        with pytest.raises(TrainingError, match="train on them with SFT"):
            _ = sequence.log_probs
