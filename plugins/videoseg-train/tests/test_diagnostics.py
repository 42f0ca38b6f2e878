"""A run that cannot learn says so, and why; a healthy one says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from training_toys import toy_sample
from videoseg_train import (
    Diagnostics,
    DiagnosticSettings,
    RewardTerm,
    Rollout,
    TrainingError,
    TrainingSample,
    score_rollouts,
)
from videoseg_train.rewards import Score

import videoseg as vs
from videoseg import ConfigError
from videoseg.types import Episode, Rle

FEW = DiagnosticSettings(window=3, repeat=4)


@pytest.fixture
def watch():
    return Diagnostics(FEW)


def rollouts_of(count=4, group_size=2, **changes):
    sample = changes.pop("sample", None) or toy_sample(0)
    shown = changes.pop("shown", (0, 7))
    selection = vs.FrameSelection.of(shown, window=vs.Window(0, 8))
    episode = Episode(sample.video, "?", selections=(selection,), max_turns=1)
    made = [
        Rollout(sample, number // group_size, number % group_size, 0, (), episode)
        for number in range(count)
    ]
    return [replace(rollout, **changes) for rollout in made]


def scores_of(totals, **parts):
    return [
        Score(total, {name: values[at] for name, values in parts.items()})
        for at, total in enumerate(totals)
    ]


def test_a_healthy_run_has_no_warnings(watch):
    for step in range(8):
        scores = scores_of([0.1, 0.7, 0.4, 0.2 + step], iou=[0.1, 0.7, 0.4, 0.2])
        assert watch.of_rollouts(rollouts_of(), scores) == []
        assert watch.of_update({"entropy": 1.0 - 0.05 * step, "drift": 1e-3}, []) == []


def test_groups_without_differences_are_told_once_in_a_while(watch):
    told = []
    for _ in range(9):
        told.append(watch.of_rollouts(rollouts_of(), scores_of([1.0, 1.0, 0.5, 0.5])))
    steps = [number for number, texts in enumerate(told) if texts]
    assert steps == [2, 6]
    assert "in 100% of the groups of the last 3 steps all rewards are equal" in told[2][0]


def test_a_few_equal_groups_are_no_reason(watch):
    for _ in range(6):
        assert watch.of_rollouts(rollouts_of(), scores_of([1.0, 1.0, 0.0, 0.5])) == []


def test_a_reward_that_never_differs_is_named(watch):
    scores = scores_of([0.1, 0.3, 0.5, 0.2], format=[1, 1, 1, 1], iou=[0.1, 0.3, 0.5, 0.2])
    told = [watch.of_rollouts(rollouts_of(), scores) for _ in range(3)]
    assert told[:2] == [[], []]
    [text] = told[2]
    assert "reward 'format' was 1 for every rollout of the last 3 steps" in text


def test_episodes_that_fail_are_told_with_the_commonest_reason(watch):
    rollouts = rollouts_of(error="no JSON")
    [text] = watch.of_rollouts(rollouts, scores_of([0.0, 0.1, 0.2, 0.3]))
    assert "4 of 4 episodes failed, 4 of them with: no JSON" in text


def test_rollouts_of_all_processes_are_judged_together(watch):
    there = []
    Diagnostics(FEW).of_rollouts(
        rollouts_of(error="no JSON"),
        scores_of([0.2, 0.2, 0.3, 0.4], format=[0, 1, 1, 1]),
        gather=lambda facts: there.extend(facts) or facts,
    )
    others = [replace(one, group=one.group + 2) for one in there]
    here = scores_of([1.0, 1.0, 1.0, 1.0], format=[1, 1, 1, 1])
    # Alone, each of these is a warning.
    assert len(Diagnostics(replace(FEW, window=1)).of_rollouts(rollouts_of(), here)) == 2
    for _ in range(3):
        told = watch.of_rollouts(rollouts_of(), here, gather=lambda facts: [*facts, *others])
    assert len(told) == 1
    assert "in 75% of the groups of the last 3 steps all rewards are equal" in told[0]


def test_truth_that_is_on_no_frame_shown_is_told(watch):
    clip = toy_sample(0)
    track = clip.truth[1]
    masks = tuple(rle if at == 3 else None for at, rle in enumerate(track.masks))
    late = replace_truth(clip, vs.MaskTrack(1, track.size, masks))
    totals = [0.0, 0.1, 0.2, 0.3]
    [text] = watch.of_rollouts(rollouts_of(sample=late), scores_of(totals))
    assert "in 4 of 4 episodes the true objects are on none of the frames" in text
    assert "'clip 0'" in text
    assert watch.of_rollouts(rollouts_of(sample=late, shown=(0, 3)), scores_of(totals)) == []
    # Nothing to be seen anywhere is another question's right answer.
    absent = replace_truth(clip, vs.MaskTrack(1, track.size, (None,) * 8))
    assert Diagnostics(FEW).of_rollouts(rollouts_of(sample=absent), scores_of(totals)) == []


def replace_truth(sample, track):
    return TrainingSample(sample.id, sample.video, sample.query, {1: track})


def test_entropy_that_collapses_is_told(watch):
    told = [watch.of_update({"entropy": value}, []) for value in (2.0, 2.0, 2.0, 0.5, 0.4, 0.3)]
    assert not any(told)
    told = [watch.of_update({"entropy": 0.001}, []) for _ in range(3)]
    assert told[:2] == [[], []]
    assert "has fallen from 2.000 to 0.0010 nats" in told[2][0]


def test_a_policy_that_was_always_sure_has_not_collapsed(watch):
    assert not any(watch.of_update({"entropy": 0.01}, []) for _ in range(8))


def test_rollouts_of_another_policy_are_told(watch):
    [text] = watch.of_update({"drift": 0.4}, [])
    assert "differ by 0.400 on average between rollout and update" in text


def test_seg_tokens_without_masks_are_told(watch):
    [text] = watch.of_update({}, ["sample 'a': turn 0 has 2 [SEG] and 1 masks", "another"])
    assert "2 answers have other numbers of [SEG] and of masks" in text
    assert "sample 'a'" in text


# -- rewards ---------------------------------------------------------------------------------


class Fixed:
    def __init__(self, value, **attributes):
        self.value = value
        self.__dict__.update(attributes)

    def __call__(self, rollout, truth):
        assert truth[1] is rollout.sample.truth[1]
        return self.value


def test_terms_are_added_with_weights_and_factors_multiply_what_is_positive():
    rollouts = rollouts_of(1)
    terms = [RewardTerm("a", Fixed(2.0)), RewardTerm("b", Fixed(1.0), weight=3.0)]
    penalty = RewardTerm("c", Fixed(0.5), use="factor")
    [score] = score_rollouts(rollouts, [*terms, penalty])
    assert score == Score(2.5, {"a": 2.0, "b": 1.0, "c": 0.5})
    [bad] = score_rollouts(rollouts, [RewardTerm("a", Fixed(-1.0)), penalty])
    assert bad.total == -1.0


def test_failed_rollouts_get_the_lowest_reward_unless_a_term_can_judge_them():
    terms = [
        RewardTerm("iou", Fixed(0.9)),
        RewardTerm("format", Fixed(0.4, judges_errors=True)),
        RewardTerm("mask", Fixed(1.5, lowest=-1.0)),
        RewardTerm("length", Fixed(0.5), use="factor"),
    ]
    [score] = score_rollouts(rollouts_of(1, error="no JSON"), terms)
    assert score.parts == {"iou": 0.0, "format": 0.4, "mask": -1.0, "length": 1.0}
    assert score.total == pytest.approx(-0.6)


def test_rewards_that_cannot_be_are_refused():
    rollouts = rollouts_of(1)
    with pytest.raises(TrainingError, match=r"reward 'a' of sample 'clip 0' is nan"):
        score_rollouts(rollouts, [RewardTerm("a", Fixed(float("nan")))])
    with pytest.raises(ConfigError, match="names of their own"):
        score_rollouts(rollouts, [RewardTerm("a", Fixed(1)), RewardTerm("a", Fixed(1))])
    with pytest.raises(ConfigError, match="names of their own"):
        score_rollouts(rollouts, [RewardTerm("a", Fixed(1), use="factor")])


# -- truth -----------------------------------------------------------------------------------


def test_the_truth_of_a_sample_is_the_union_and_may_be_made_late():
    clip = toy_sample(0)
    one, size = clip.truth[1], clip.video.size
    other = vs.MaskTrack(2, size, (None, *one.masks[1:]))
    calls = []
    sample = TrainingSample("late", clip.video, "?", lambda: calls.append(1) or {1: one, 2: other})
    assert not calls
    assert (sample.mask(0) == one.mask(0)).all()
    assert sample.visible().all()
    assert calls
    nothing = TrainingSample("nothing", clip.video, "?", {})
    assert nothing.mask(0).shape == size
    assert not nothing.mask(0).any()
    assert not nothing.visible().any()
    short = TrainingSample("short", clip.video, "?", {1: vs.MaskTrack(1, size, one.masks[:3])})
    with pytest.raises(ConfigError, match="are for 3 frames, but the video has 8"):
        short.mask(0)
    assert isinstance(one.masks[0], Rle)
