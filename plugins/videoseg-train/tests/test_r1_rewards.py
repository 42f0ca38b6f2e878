"""VideoSeg-R1's rewards of rollouts; the functions below them are tested in videoseg-r1."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from training_toys import toy_sample
from videoseg_train import Rollout, Step, TrainingSample, score_rollouts
from videoseg_train.r1_rewards import count_thought, true_objects
from videoseg_train.rewards import RewardTerm

import videoseg as vs
from videoseg.masks import bounding_box

FRAME = 3


def reward(name, **options):
    return vs.default_registry().build("reward", name, options)


def answer(sample, boxes=None, *, thought="It is there.", text=None, error=None, negative=None):
    """Return a rollout that answers with boxes on a frame; by default with the true one."""
    mask = sample.mask(FRAME)
    true = bounding_box(mask)
    negative = negative or vs.Point(true.x2 + 2, true.center.y)
    prompts = tuple(
        vs.Prompt(n, FRAME, box=box, points=(box.center,), negative_points=(negative,))
        for n, box in enumerate([true] if boxes is None else boxes, start=1)
    )
    said = [
        {"bbox_2d": list(p.box.as_tuple()), "point_2d": [1, 2], "neg_point_2d": [3, 4]}
        for p in prompts
    ]
    text = text or f"<think>{thought}</think><answer>{json.dumps(said)}</answer>"
    grounding = vs.Grounding(FRAME if prompts else None, prompts)
    episode = None if error else SimpleNamespace(moves=(grounding,))
    step = Step("grounder", 0, None, tuple(range(100)), text)
    return Rollout(sample, 0, 0, 0, (step,), episode, error)


def absent(sample):
    return TrainingSample("none", sample.video, "the cat", {})


def judge(name, rollout, **options):
    [score] = score_rollouts([rollout], [RewardTerm(name, reward(name, **options))])
    return score.total


def test_the_true_answer_earns_everything():
    rollout = answer(toy_sample(0))
    earned = {
        name: judge(name, rollout)
        for name in ("r1-format", "r1-accuracy", "r1-negative", "r1-no-repeat", "box-iou")
    }
    assert earned == {
        "r1-format": 4,
        "r1-accuracy": 3,
        "r1-negative": 1,
        "r1-no-repeat": 1,
        "box-iou": 1,
    }


def test_accuracy_is_measured_in_the_square():
    sample = toy_sample(0)
    width = sample.video.size[1]
    true = bounding_box(sample.mask(FRAME))

    def moved(pixels):
        return answer(sample, [vs.Box(true.x1 + pixels, true.y1, true.x2 + pixels, true.y2)])

    # The mean of four differences, two of which are 0, is below 10 pixels of 840.
    limit = 20 * width / 840
    assert judge("r1-accuracy", moved(limit - 0.01)) == 3
    assert judge("r1-accuracy", moved(limit + 0.01)) == 2
    assert judge("r1-accuracy", moved(limit + 0.01), box_tolerance=20.0) == 3
    assert judge("r1-accuracy", moved(1.0), side=100, box_tolerance=0.7) == 2
    assert judge("box-iou", moved(true.width / 2)) == pytest.approx(1 / 3)


def test_a_second_object_that_is_not_there_halves_the_reward():
    sample = toy_sample(0)
    true = bounding_box(sample.mask(FRAME))
    rollout = answer(sample, [true, vs.Box(0, 0, 2, 2)])
    assert judge("r1-accuracy", rollout) == 1.5
    assert judge("box-iou", rollout) == 0.5


def test_negative_points_lie_close_by_and_outside():
    sample = toy_sample(0)
    true = bounding_box(sample.mask(FRAME))
    close = 40 * sample.video.size[1] / 840
    for x, good in ((true.center.x, 0), (true.x2 + close / 2, 1), (true.x2 + 2 * close, 0)):
        rollout = answer(sample, negative=vs.Point(x, true.center.y))
        assert judge("r1-negative", rollout) == good


def test_right_and_wrong_denials():
    sample = toy_sample(0)
    there, found = answer(sample, []), answer(sample)
    gone = Rollout(absent(sample), 0, 0, 0, there.steps, there.episode)
    wrong = Rollout(absent(sample), 0, 0, 0, found.steps, found.episode)
    names = ("r1-accuracy", "r1-negative", "box-iou")
    assert [judge(name, there) for name in names] == [0, 0, 0]
    assert [judge(name, gone) for name in names] == [3, 1, 1]
    assert [judge(name, wrong) for name in names] == [0, 0, 0]
    assert judge("r1-format", gone) == 4
    assert judge("r1-format", there) == 1


def test_the_form_is_judged_even_if_an_answer_cannot_be_read():
    sample = toy_sample(0)
    texts = {
        "<think>a</think><answer>no JSON</answer>": 1,
        "<think>a</think><answer>[{}]</answer>": 1,
        '<answer>[{"bbox_2d": [1, 2, 3, 4]}]</answer>': 1,
        '<think>a</think><answer>{"objects": [{"bbox_2d": [1, 2, 3, 4]}]}</answer>': 2,
        "nothing": 0,
    }
    for text, wanted in texts.items():
        rollout = answer(sample, text=text, error="cannot be read")
        assert judge("r1-format", rollout) == wanted
        assert judge("r1-accuracy", rollout) == 0
    whole = answer(sample)
    assert judge("r1-format", whole, negatives=False) == 3


def test_repetition_is_that_of_thoughts():
    sample = toy_sample(0)
    assert judge("r1-no-repeat", answer(sample, thought="A. B. A. C.")) == 1
    assert judge("r1-no-repeat", answer(sample, thought="A. A. A.")) == 0


def test_the_length_penalty_is_a_factor_with_the_budget_of_the_difficulty():
    sample = toy_sample(0)
    rollout = answer(sample, thought="w" * 500)
    used = count_thought(rollout)
    assert 60 < used < 100
    terms = [
        RewardTerm("r1-accuracy", reward("r1-accuracy")),
        RewardTerm("length", reward("r1-length", budget=40), use="factor"),
    ]
    [score] = score_rollouts([rollout], terms)
    assert score.total == pytest.approx(3 * (1 - 0.005 * (used - 40)))
    exact = reward("r1-length", budget=40, count=len)
    assert exact(rollout, {}) == 0
    factor = reward("r1-length")
    with pytest.raises(vs.ConfigError, match="no rated difficulty"):
        factor(rollout, {})
    for rating, budget in ((2, 40), (5, 60), (9, 90)):
        rated = TrainingSample(
            "rated", sample.video, sample.query, sample.truth, {"difficulty": {"scene": rating}}
        )
        judged = Rollout(rated, 0, 0, 0, rollout.steps, rollout.episode)
        assert factor(judged, {}) == pytest.approx(min(1, 1 - 0.005 * (used - budget)))
    with pytest.raises(vs.ConfigError):
        reward("r1-length", slope=-1)


def test_true_centers_lie_on_their_objects():
    sample = toy_sample(0)
    [found] = true_objects(sample.tracks(), FRAME, size=sample.video.size, side=100)
    box = bounding_box(sample.mask(FRAME))
    assert found.box[0] == pytest.approx(100 * box.x1 / sample.video.size[1])
    assert found.point[0] == pytest.approx(100 * box.center.x / sample.video.size[1], abs=1)
