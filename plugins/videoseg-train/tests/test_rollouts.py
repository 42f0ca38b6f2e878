"""Rollouts: the loop of inference, many episodes in step, every answer recorded."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from training_toys import FewFrames, LookingGrounder
from videoseg_train import Stages, run_rollouts

import videoseg as vs

R1 = Stages(vs.use("uniform", num_frames=2), vs.use("r1", max_tokens=16))
O3 = Stages(
    vs.use("coarse", preset="rollout", num_context=3, num_detail=2),
    vs.use("o3", answer="text", max_tokens=16),
)


def looking(policy, **options):
    return Stages(FewFrames(), LookingGrounder(policy.chat, **options))


@pytest.mark.parametrize("stages", [R1, O3], ids=["r1", "o3"])
def test_an_answer_that_cannot_be_read_is_a_rollout_with_an_error(stages, load_policy, samples):
    rollouts = run_rollouts(load_policy(), stages, samples, group_size=3, seed=1)
    assert [(r.group, r.member) for r in rollouts] == [(g, m) for g in (0, 1) for m in (0, 1, 2)]
    for rollout in rollouts:
        assert "could not read the answer of turn 1" in rollout.error
        assert rollout.grounding is None
        assert len(rollout.episode.selections) == 1
        [step] = rollout.steps
        assert (step.stage, step.turn) == ("grounder", 0)
        assert 1 <= len(step.tokens) <= 12
        assert step.log_probs.shape == (len(step.tokens),)
        assert (step.log_probs < 0).all()
    assert len({rollout.steps[0].tokens for rollout in rollouts}) > 3


def test_seg_episodes_end_with_their_own_masks(load_policy, samples):
    stages = Stages(O3.sampler, vs.use("o3", answer="seg", max_tokens=16))
    policy = load_policy("seg")
    rollouts = run_rollouts(policy, stages, samples, group_size=4, seed=0)
    assert not any(rollout.error for rollout in rollouts)
    said = [rollout for rollout in rollouts if rollout.steps[-1].seg_places]
    assert said
    for rollout in said:
        states = rollout.steps[-1].seg_states
        [embedding] = policy.seg_model.embed(states[-1:])
        found = rollout.grounding.prompts[0].embedding
        assert found.values == pytest.approx(embedding.values, rel=1e-4, abs=1e-5)


def test_the_same_seed_gives_the_same_rollouts_whatever_the_threads_do(load_policy, samples):
    policy = load_policy()
    stages = looking(policy)
    first = run_rollouts(policy, stages, samples, group_size=3, seed=5)
    again = run_rollouts(policy, stages, samples, group_size=3, seed=5)
    other = run_rollouts(policy, stages, samples, group_size=3, seed=6)
    assert tokens(first) == tokens(again) != tokens(other)
    # A process that has only the second sample draws the same for it.
    [*_, one, two, three] = tokens(first)
    second = run_rollouts(policy, stages, samples[1:], group_size=3, seed=5, first_group=1)
    assert tokens(second) == [one, two, three]


def test_an_episode_of_several_turns_records_each_turn(load_policy, samples):
    policy = load_policy()
    rollouts = run_rollouts(policy, looking(policy), samples, group_size=2)
    for rollout in rollouts:
        assert rollout.error is None
        assert [step.turn for step in rollout.steps] == [0, 1, 2]
        assert rollout.texts == tuple(step.text for step in rollout.steps)
        assert rollout.grounding is rollout.episode.moves[-1]
        counts = [len(step.conversation.images) for step in rollout.steps]
        assert counts == [2, 5, 8]


def test_later_turns_hold_exactly_the_tokens_that_were_sampled(load_policy, samples):
    policy = load_policy()
    rollouts = run_rollouts(policy, looking(policy), samples, group_size=4, seed=3)
    retokenized = 0
    for rollout in rollouts:
        for step, following in pairwise(rollout.steps):
            said = (*step.conversation.tokens, *step.tokens)
            assert following.conversation.tokens[: len(said)] == said
            retokenized += policy.encode(step.text)[: len(step.tokens)] != step.tokens
    assert retokenized, "every answer would have been read as it was sampled"


def test_images_are_encoded_once_and_a_group_shares_its_first_prefill(
    load_policy, samples, monkeypatch
):
    policy = load_policy()
    vision, computed = policy.new_vision_cache(), []
    monkeypatch.setattr(policy, "new_vision_cache", lambda: vision)
    run = policy.vlm.model.language_model.forward

    def count(*args, **options):
        computed.append(options["inputs_embeds"].shape[:2])
        return run(*args, **options)

    monkeypatch.setattr(policy.vlm.model.language_model, "forward", count)
    rollouts = run_rollouts(policy, looking(policy), samples, group_size=4)
    shown = {i.digest for r in rollouts for s in r.steps for i in s.conversation.images}
    assert vision.num_encoded == len(shown)
    prefills = sorted(length for count, length in computed if length > 1 and count == 1)
    firsts = [len(rollout.steps[0].conversation.tokens) for rollout in rollouts[::4]]
    # The cache lacks the last token of an answer.
    later = [
        len(following.conversation.tokens) - len(step.conversation.tokens) - len(step.tokens) + 1
        for rollout in rollouts
        for step, following in pairwise(rollout.steps)
    ]
    assert prefills == sorted(firsts + later)


def test_episodes_are_answered_together(load_policy, samples, monkeypatch):
    policy = load_policy()
    asked = []
    answer = policy.answer
    monkeypatch.setattr(policy, "answer", lambda calls: asked.append(len(calls)) or answer(calls))
    run_rollouts(policy, looking(policy), samples, group_size=3)
    assert asked == [6, 6, 6]


def test_a_group_reads_its_first_conversation_once(load_policy, samples, monkeypatch):
    policy = load_policy()
    read, count = policy.reader.read, []
    monkeypatch.setattr(policy.reader, "read", lambda some: count.append(len(some)) or read(some))
    run_rollouts(policy, looking(policy), samples, group_size=5)
    assert count.count(1) == 2
    assert count.count(3) == 10


def test_image_tokens_and_roles_are_never_sampled(load_policy, samples):
    policy = load_policy()
    tokenizer = policy.tokenizer
    wanted = tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|im_start|>", "<|endoftext|>"])
    with torch.no_grad():
        policy.vlm.lm_head.weight[wanted] *= 100
    rollouts = run_rollouts(policy, looking(policy), samples, group_size=4)
    said = {token for rollout in rollouts for step in rollout.steps for token in step.tokens}
    assert said
    assert not said & set(wanted)
    assert policy.end_token not in policy.forbidden


def test_a_question_that_is_asked_again_ends_the_episode_in_training_alone(load_policy, samples):
    policy = load_policy()
    stages = looking(policy, repeats=1)
    [trained] = run_rollouts(policy, stages, samples[:1])
    assert "asked again" in trained.error
    assert len(trained.steps) == 1
    [greedy] = run_rollouts(policy, stages, samples[:1], greedy=True)
    assert greedy.error is None
    assert [step.turn for step in greedy.steps] == [0, 0, 1, 1, 2, 2]
    assert greedy.steps[0].tokens == greedy.steps[1].tokens


def test_the_sampler_htfs_asks_the_policy_too(load_policy, samples):
    policy = load_policy()
    grounder = LookingGrounder(policy.chat)
    stages = Stages(vs.use("htfs", num_spans=2, num_positions=2), grounder, 1)
    rollouts = run_rollouts(policy, stages, samples[:1], group_size=2)
    for rollout in rollouts:
        kinds = [step.stage for step in rollout.steps]
        assert kinds[0] == "sampler"
        assert kinds[-1] == "grounder"


def test_the_policy_answers_in_a_pipeline(load_policy, samples):
    policy = load_policy()
    grounder = LookingGrounder(policy.chat)
    episode = vs.pipeline.run_episode(
        samples[0].video, "the square", sampler=FewFrames(), grounder=grounder, max_turns=2
    )
    assert len(episode.moves) == 2


def test_a_pipeline_that_cannot_be_built_is_an_error(load_policy, samples):
    stages = Stages(vs.use("uniform"), vs.use("r1", coordinates="miles"))
    with pytest.raises(vs.ConfigError, match="coordinates"):
        run_rollouts(load_policy(), stages, samples)


def test_an_error_of_the_model_ends_all_episodes(load_policy, samples, monkeypatch):
    policy = load_policy()

    def fail(_):
        raise RuntimeError("out of order")

    monkeypatch.setattr(policy, "answer", fail)
    with pytest.raises(RuntimeError, match="out of order"):
        run_rollouts(policy, looking(policy), samples, group_size=2)


def test_a_conversation_that_is_too_long_is_a_rollout_with_an_error(load_policy, samples):
    policy = load_policy()
    policy.vlm.config.get_text_config().max_position_embeddings = 60
    [rollout] = run_rollouts(policy, looking(policy), samples[:1])
    assert "takes 60" in rollout.error
    assert rollout.steps == ()


def tokens(rollouts):
    return [[step.tokens for step in rollout.steps] for rollout in rollouts]
