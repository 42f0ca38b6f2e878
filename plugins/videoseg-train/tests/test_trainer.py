"""Steps of training: their gradients by a slow definition, in parts, resumed, and refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training_toys import FewFrames, LookingGrounder
from videoseg_o3 import token_logits
from videoseg_train import (
    BatchSettings,
    CalibrationSettings,
    GrpoSettings,
    LoraSettings,
    NonFiniteError,
    OptimizerSettings,
    Reference,
    RewardTerm,
    SftSettings,
    Stages,
    Trainer,
    add_lora,
    make_sequences,
    order_items,
    record_demonstrations,
    run_rollouts,
    set_trained,
)
from videoseg_train.masks import true_masks
from videoseg_train.objective import dice_loss, mask_cross_entropy
from videoseg_train.randomness import mix_seed

from videoseg import ConfigError
from videoseg.types import ChatReply

PLAIN = OptimizerSettings(learning_rate=1e-3, weight_decay=0, max_gradient_norm=None)


def even(rollout, truth):
    """Reward answers whose tokens are even numbers."""
    tokens = [token for step in rollout.steps for token in step.tokens]
    return sum(token % 2 == 0 for token in tokens) / len(tokens)


EVEN = (RewardTerm("even", even),)


def stages_of(policy, turns=2):
    return Stages(FewFrames(), LookingGrounder(policy.chat), turns)


def capture_gradient(trainer, monkeypatch):
    """Let a trainer keep the gradient of its next step, by name."""
    kept = {}
    make_step = trainer.optimization._clip

    def keep():
        for name, value in trainer.policy.model.named_parameters():
            kept[name] = None if value.grad is None else value.grad.clone()
        return make_step()

    monkeypatch.setattr(trainer.optimization, "_clip", keep)
    return kept


def gradient_of(model, loss):
    model.zero_grad()
    loss.backward()
    found = {
        name: None if value.grad is None else value.grad.clone()
        for name, value in model.named_parameters()
    }
    model.zero_grad()
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        mine = found[name]
        zero = torch.zeros(()) if value is None and mine is None else None
        mine = zero if mine is None and value is None else mine
        if mine is None:
            assert value.abs().max() == 0, name
        elif value is None:
            assert mine.abs().max() == 0, name
        else:
            torch.testing.assert_close(mine, value, atol=2e-6, rtol=1e-3, msg=name)


def log_probs_of(policy, sequence, vlm=None):
    """Return the log-probabilities of each own token, by the plainest way there is."""
    hidden = policy.hidden_states(sequence.conversation)
    tokens = sequence.conversation.tokens
    chances = token_logits(policy.vlm, hidden).log_softmax(-1)
    return torch.stack(
        [chances[at - 1, tokens[at]] for at in range(len(tokens)) if sequence.own[at]]
    )


# -- GRPO ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["sequence", "token"])
def test_the_gradient_of_a_grpo_step_is_the_definitions(
    weighting, load_policy, samples, monkeypatch
):
    policy = load_policy()
    trainer = Trainer(policy, PLAIN, seed=3)
    settings = GrpoSettings(group_size=3, divergence_weight=0.5, clip=None, weighting=weighting)
    # A first step, so that policy and reference differ.
    trainer.grpo_step(samples, stages_of(policy), EVEN, settings)
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    found = capture_gradient(trainer, monkeypatch)
    report = trainer.grpo_step(samples, stages_of(policy), EVEN, settings)
    assert report.metrics["divergence"] > 0

    policy.model.load_state_dict(before)
    seed = mix_seed(3, 1)
    rollouts = run_rollouts(policy, stages_of(policy), samples, group_size=3, seed=seed)
    assert [r.texts for r in rollouts] == [r.texts for r in report.rollouts]
    rewards = torch.tensor([even(rollout, None) for rollout in rollouts])
    terms, count = [], sum(rollout.num_tokens for rollout in rollouts)
    for number, rollout in enumerate(rollouts):
        group = rewards[number // 3 * 3 :][:3]
        advantage = (rewards[number] - group.mean()) / (group.std() + 1e-4)
        [sequence] = make_sequences(rollout)
        own = log_probs_of(policy, sequence)
        [reference] = trainer.reference.log_probs([sequence])
        difference = reference - own
        divergence = difference.exp() - difference - 1
        loss = -(own - own.detach()).exp() * advantage + 0.5 * divergence
        terms.append(
            loss.mean() / len(rollouts) if weighting == "sequence" else loss.sum() / count
        )
    assert_same(found, gradient_of(policy.model, torch.stack(terms).sum()))


def test_parts_of_a_step_make_no_difference(load_policy, samples, monkeypatch):
    found = []
    for batch in (BatchSettings(8), BatchSettings(1), BatchSettings(3, max_tokens=600)):
        policy = load_policy()
        trainer = Trainer(policy, PLAIN, batch=batch)
        found.append(capture_gradient(trainer, monkeypatch))
        trainer.grpo_step(samples, stages_of(policy), EVEN, GrpoSettings(group_size=3))
    assert_same(found[1], found[0])
    assert_same(found[2], found[0])


def test_parts_keep_groups_together_and_within_their_bounds(load_policy, samples):
    policy = load_policy()
    rollouts = run_rollouts(policy, stages_of(policy, 1), samples, group_size=4)
    # As if they came in turns.
    mixed = [make_sequences(rollouts[at])[0] for at in (0, 4, 1, 5, 2, 6, 3, 7)]
    length, head = len(mixed[0]), len(rollouts[0].steps[0].conversation.tokens)

    def cut(**bounds):
        return Trainer(policy, PLAIN, batch=BatchSettings(**bounds)).optimization.parts(mixed)

    assert cut(max_sequences=4) == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert cut(max_sequences=3) == [[0, 2, 4], [6, 1, 3], [5, 7]]
    assert cut(max_sequences=8) == [[0, 2, 4, 6, 1, 3, 5, 7]]
    # Two of a group are not twice as long, since their question counts once.
    assert cut(max_tokens=2 * length - head)[0] == [0, 2]
    assert [len(part) for part in cut(max_tokens=1)] == [1] * 8


def test_what_is_rewarded_is_said_more_often(load_policy, samples):
    policy = load_policy()
    trainer = Trainer(policy, replace(PLAIN, learning_rate=3e-3))
    settings = GrpoSettings(group_size=8, divergence_weight=0.0)
    rewards = [
        trainer.grpo_step(samples, stages_of(policy, 1), EVEN, settings).metrics["reward"]
        for _ in range(12)
    ]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.15


def test_rollouts_that_are_used_again_are_clipped(load_policy, samples):
    policy = load_policy()
    trainer = Trainer(policy, replace(PLAIN, learning_rate=1e-2))
    settings = GrpoSettings(group_size=4, num_updates=4, clip=0.05)
    report = trainer.grpo_step(samples, stages_of(policy), EVEN, settings)
    assert report.metrics["clipped"] > 0.1
    assert trainer.step == 1


def test_a_report_has_the_means_of_its_rollouts(load_policy, samples):
    policy = load_policy()
    trainer = Trainer(policy, PLAIN)
    twice = (*EVEN, RewardTerm("length", lambda rollout, _: rollout.num_tokens, 0.5))
    report = trainer.grpo_step(samples, stages_of(policy), twice, GrpoSettings(group_size=2))
    values = [even(rollout, None) for rollout in report.rollouts]
    lengths = [rollout.num_tokens for rollout in report.rollouts]
    assert report.metrics["rewards/even"] == pytest.approx(sum(values) / 4)
    assert report.metrics["answer_tokens"] == pytest.approx(sum(lengths) / 4)
    totals = [v + 0.5 * n for v, n in zip(values, lengths, strict=True)]
    assert [score.total for score in report.scores] == pytest.approx(totals)
    assert report.metrics["drift"] < 1e-4
    assert set(report.seconds) == {"rollout", "reward", "update"}
    assert report.metrics["turns"] == 2


# -- [SEG] -------------------------------------------------------------------------------------


def seg_trainer(load_policy, **options):
    policy = load_policy("seg", max_tokens=6)
    set_trained(policy, ("language", "embeddings", "projector", "mask-decoder"))
    return policy, Trainer(policy, PLAIN, **options)


@pytest.mark.parametrize("target", ["own", "truth"])
def test_the_gradient_with_calibration_and_mask_losses_is_the_definitions(
    target, load_policy, samples, monkeypatch
):
    policy, trainer = seg_trainer(load_policy)
    model = policy.seg_model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = GrpoSettings(
        group_size=2,
        divergence_weight=0.0,
        clip=None,
        calibration=CalibrationSettings(weight=2.0, target=target),
        mask_weight=0.2,
    )
    found = capture_gradient(trainer, monkeypatch)
    report = trainer.grpo_step(samples, stages_of(policy), EVEN, settings)
    assert report.metrics["seg_tokens"] >= 4
    assert report.metrics["mask_loss"] > 0

    model.load_state_dict(before)
    rewards = torch.tensor([score.total for score in report.scores])
    plain, overview, keyframe = [], [], []
    for number, rollout in enumerate(report.rollouts):
        group = rewards[number // 2 * 2 :][:2]
        advantage = (rewards[number] - group.mean()) / (group.std() + 1e-4)
        [sequence] = make_sequences(rollout)
        hidden = policy.hidden_states(sequence.conversation)
        own = log_probs_of(policy, sequence)
        ratios = (own - own.detach()).exp()
        pulls = []
        sampled = iter(rollout.masks)
        for step, places in zip(sequence.steps, sequence.seg_positions, strict=True):
            for place in places:
                masks = next(sampled)
                assert rollout.steps[masks.step] is step
                images = model.image_input([rollout.sample.video[f] for f in masks.frames])
                vectors = model.project(hidden[place][None]).expand(len(images), -1, -1)
                logits = model.mask_logits(images, vectors)
                small = torch.nn.functional.interpolate(
                    logits[-1][None, None], (32, 32), mode="bilinear"
                )
                truth = true_masks(rollout.sample, masks.frames).float()
                goal = masks.logits[-1] if target == "own" else truth[-1] - 0.5
                goal = torch.nn.functional.interpolate(goal[None, None], (32, 32), mode="bilinear")
                pulls.append(
                    -torch.nn.functional.binary_cross_entropy_with_logits(
                        small, (goal > 0).float()
                    )
                )
                losses = mask_cross_entropy(logits, truth) + dice_loss(logits, truth)
                overview.append(losses[:-1].mean())
                if place == places[-1]:
                    keyframe.append(losses[-1])
        policy_loss = -(advantage * ratios).sum()
        for pull in pulls:
            policy_loss = policy_loss - advantage * 2.0 * (pull - pull.detach())
        plain.append(policy_loss / len(own))
    loss = torch.stack(plain).mean() + 0.2 * (
        torch.stack(overview).mean() + torch.stack(keyframe).mean()
    )
    assert_same(found, gradient_of(model, loss))


def test_the_mask_of_a_seg_is_on_the_overview_and_on_the_frame_asked_for(load_policy, samples):
    policy = load_policy("seg")
    [rollout] = run_rollouts(policy, stages_of(policy, 3), samples[:1])
    assert rollout.masks
    for masks in rollout.masks:
        assert masks.overview == (0, 7)
        # The middle of the video, then what the turn before has asked for.
        assert masks.keyframe == 4
        assert masks.logits.shape[0] == 3
        assert not masks.logits.requires_grad


# -- supervised ------------------------------------------------------------------------------


class Teacher:
    def __init__(self, sample):
        self.sample, self.count = sample, 0

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        self.count += 1
        return [ChatReply(f"{self.sample.id} [SEG] {self.count}")]


def demonstrate(policy, samples):
    return record_demonstrations(
        policy, stages_of(policy), samples, lambda sample, _: Teacher(sample)
    )


def test_the_gradient_of_a_supervised_step_is_the_definitions(load_policy, samples, monkeypatch):
    policy, trainer = seg_trainer(load_policy, batch=BatchSettings(1))
    model = policy.seg_model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    demonstrations = demonstrate(policy, samples)
    found = capture_gradient(trainer, monkeypatch)
    report = trainer.sft_step(demonstrations)

    model.load_state_dict(before)
    chances, cross, dice = [], [], []
    for rollout in demonstrations:
        [sequence] = make_sequences(rollout)
        chances.append(log_probs_of(policy, sequence))
        hidden = policy.hidden_states(sequence.conversation)
        # Each turn's [SEG] with that turn's frames: the overview, then the frame asked for.
        for (place,), frames in zip(sequence.seg_positions, [(0, 7), (4,)], strict=True):
            images = model.image_input([rollout.sample.video[frame] for frame in frames])
            vectors = model.project(hidden[place][None]).expand(len(images), -1, -1)
            logits, truth = model.mask_logits(images, vectors), true_masks(rollout.sample, frames)
            cross.append(mask_cross_entropy(logits, truth).mean())
            dice.append(dice_loss(logits, truth).mean())
    tokens, cross, dice = -torch.cat(chances).mean(), torch.stack(cross), torch.stack(dice)
    loss = tokens + 2.0 * cross.mean() + 0.5 * dice.mean()
    assert report.metrics["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert report.metrics["token_loss"] == pytest.approx(tokens.item(), rel=1e-4)
    assert_same(found, gradient_of(model, loss))


def test_demonstrations_are_learned(load_policy, samples):
    policy = load_policy()
    trainer = Trainer(policy, replace(PLAIN, learning_rate=3e-3))
    demonstrations = demonstrate(policy, samples)
    losses = [trainer.sft_step(demonstrations).metrics["token_loss"] for _ in range(25)]
    assert losses[-1] < 0.5 < 3 < losses[0]


def test_demonstrations_that_failed_are_left_out(load_policy, samples):
    policy = load_policy()
    trainer = Trainer(policy, PLAIN)
    good, bad = demonstrate(policy, samples)
    bad = replace(bad, error="the teacher said nothing")
    assert trainer.sft_step([good, bad]).metrics["left_out"] == 1
    with pytest.raises(ConfigError, match="the teacher said nothing"):
        trainer.sft_step([bad])


# -- what is trained -------------------------------------------------------------------------


def test_only_chosen_parts_change(load_policy, samples):
    policy = load_policy("seg")
    set_trained(policy, ("projector",))
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    Trainer(policy, PLAIN).sft_step(demonstrate(policy, samples))
    changed = [n for n, v in policy.model.state_dict().items() if not torch.equal(v, before[n])]
    assert changed
    assert all(name.startswith("projector.") for name in changed)
    with pytest.raises(ConfigError, match="has no projector"):
        set_trained(load_policy(), ("projector",))
    policy.model.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter of the policy is trained"):
        Trainer(policy, PLAIN)


def test_with_adapters_the_reference_is_the_policy_without_them(load_policy, samples):
    policy = load_policy()
    [rollout] = run_rollouts(policy, stages_of(policy), samples[:1])
    sequences = make_sequences(rollout)
    first = log_probs_of(policy, sequences[0]).detach()
    set_trained(policy, ("language",))
    add_lora(policy, LoraSettings(rank=4, alpha=8, dropout=0.0))
    names = [name for name, value in policy.model.named_parameters() if value.requires_grad]
    assert names
    assert all("lora_" in name for name in names)
    trainer = Trainer(policy, replace(PLAIN, learning_rate=1e-2))
    settings = GrpoSettings(group_size=4, divergence_weight=0.1)
    reports = [trainer.grpo_step(samples, stages_of(policy), EVEN, settings) for _ in range(2)]
    assert not trainer.reference.is_copy
    assert reports[0].metrics["divergence"] < 1e-6 < reports[1].metrics["divergence"]
    torch.testing.assert_close(trainer.reference.log_probs(sequences)[0], first, atol=1e-3, rtol=0)
    assert (log_probs_of(policy, sequences[0]) - first).abs().max() > 1e-3
    # Where more than adapters is trained, only a copy is what the policy was.
    policy.vlm.lm_head.requires_grad_(True)
    assert Reference(policy).is_copy


# -- going on and giving up ------------------------------------------------------------------


def test_a_resumed_run_is_the_same_to_the_last_bit(load_policy, samples):
    settings = GrpoSettings(group_size=2)
    policy = load_policy()
    trainer = Trainer(policy, PLAIN, seed=1)
    trainer.grpo_step(samples, stages_of(policy), EVEN, settings)
    state = torch.utils._pytree.tree_map(
        lambda value: value.clone() if isinstance(value, torch.Tensor) else value,
        trainer.state_dict(),
    )
    reference = trainer.reference
    last = trainer.grpo_step(samples, stages_of(policy), EVEN, settings)
    other = load_policy()
    resumed = Trainer(other, PLAIN, seed=1, reference=reference)
    resumed.load_state_dict(state)
    again = resumed.grpo_step(samples, stages_of(other), EVEN, settings)
    assert again.metrics == last.metrics
    for one, two in zip(policy.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_gradient_that_is_not_finite_is_an_error_and_changes_nothing(load_policy, samples):
    policy = load_policy()
    trainer = Trainer(policy, PLAIN)
    demonstrations = demonstrate(policy, samples)
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    policy.vlm.lm_head.weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NonFiniteError, match=r"that of 1 of \d+ parameters .*lm_head"):
        trainer.sft_step(demonstrations)
    assert all(torch.equal(v, before[n]) for n, v in policy.model.state_dict().items())
    assert trainer.step == 0


def test_the_order_of_items_goes_on_where_it_was():
    def take(steps, **options):
        order = order_items(5, 2, **options)
        return [next(order) for _ in range(steps)]

    taken = take(10, seed=4)
    assert sorted(item for step in taken[:5] for item in step) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert sorted([*taken[0], *taken[1], taken[2][0]]) == [0, 1, 2, 3, 4]
    assert take(7, seed=4, start=3) == taken[3:]
    assert take(10, seed=5) != taken
    with pytest.raises(ConfigError, match="0 items"):
        next(order_items(0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GrpoSettings(group_size=1), "group_size must be at least 2"),
        (lambda: GrpoSettings(weighting="constant"), "needs max_tokens"),
        (lambda: OptimizerSettings(schedule="linear"), "needs num_steps"),
        (lambda: OptimizerSettings(learning_rate=0), "must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_learning_rate_follows_its_schedule(load_policy, samples):
    policy = load_policy()
    settings = replace(PLAIN, schedule="linear", num_steps=4)
    trainer = Trainer(policy, settings)
    demonstrations = demonstrate(policy, samples)
    settings = SftSettings()
    rates = [trainer.sft_step(demonstrations, settings).metrics["learning_rate"] for _ in range(4)]
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])
