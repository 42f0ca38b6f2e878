"""VideoSEG-O3's rewards: at every threshold, as released and as meant."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_toys import toy_sample
from videoseg_train import O3_GROUPS, Rollout, SegMasks, Step, o3_terms, score_rollouts
from videoseg_train.o3_rewards import (
    keyframe_gain,
    keyframe_hit,
    mask_gain,
    mask_ious,
    progress_gain,
    steps_share,
    turns_format,
    window_score,
)

import videoseg as vs

BOTH = ("released", "fixed")
THOUGHT = "<think>Step 1: a. Step 2: b. Step 3: c. Action: d.</think>"


def turn(tag="answer", start=2, end=5, keyframe=3, *, thought=THOUGHT, seg="[SEG]"):
    frames = f'{{"start": {start}, "end": {end}, "keyframe": {keyframe}}}'
    return f"{thought}<{tag}><VTG>{frames}</VTG>, <RefSeg>{seg}</RefSeg></{tag}>"


def visible(*frames, count=10):
    shows = np.zeros(count, dtype=bool)
    shows[list(frames)] = True
    return shows


@pytest.mark.parametrize(
    ("texts", "released", "fixed"),
    [
        ([turn()], 1, 1),
        ([turn("select"), turn()], 1, 1),
        ([], 0, 0),
        # Never to answer, or to answer twice, costs nothing as released.
        ([turn("select"), turn("select")], 1, -1),
        ([turn("answer"), turn("answer")], 1, -1),
        (["Well. " + turn() + " Done."], 1, -1),
        (["<answer>[]</answer>"], -1, -1),
        ([turn(seg="")], -1, -1),
        ([turn(thought="")], -1, -1),
        ([turn().replace('"keyframe": 3', '"frame": 3')], -1, -1),
        ([turn().replace('"', "'")], -1, -1),
        ([turn().replace("VTG", "VGT")], -1, -1),
        ([turn("select").replace("<VTG>", "<VTG>["), turn()], -1, -1),
        # The form of answers in text.
        (
            [THOUGHT + '<answer>{"start": 1, "end": 2, "keyframe": 1, "objects": []}</answer>'],
            -1,
            1,
        ),
        ([THOUGHT + '<answer>{"objects": []}</answer>'], -1, 1),
        ([THOUGHT + '<answer>{"objects": [{"bbox_2d": [1, 2, 3, 4]}]}</answer>'], -1, -1),
        ([THOUGHT + '<select>{"start": 1, "end": 2, "keyframe": 1}</select>', turn()], -1, 1),
        ([THOUGHT + '<select>{"start": 1, "end": 2}</select>', turn()], -1, -1),
    ],
)
def test_format(texts, released, fixed):
    assert turns_format(texts, variant="released") == released
    assert turns_format(texts, variant="fixed") == fixed


def test_steps_are_counted_in_every_turn():
    assert steps_share([turn()]) == 1
    assert steps_share([turn(), turn(thought="<think>STEP 1, action</think>")]) == 0.75
    assert steps_share([turn(thought="<THINK>step 2</THINK>")]) == 0.25
    assert steps_share([turn(thought="Step 1")]) == 0
    assert steps_share([]) == 0


@pytest.mark.parametrize(
    ("start", "end", "shows", "released", "fixed"),
    [
        (2, 5, (2, 3, 4), 0.5, 0.375),
        (2, 5, (2, 3, 4, 5), 0.5, 0.5),
        # Half of what is named shows: the threshold itself, but for the released 1e-6.
        (2, 6, (2, 3), -0.5, -0.5),
        (2, 5, (2, 3), 1 / 3, 0.25),
        (2, 5, (2,), -0.5, -0.5),
        # As released it is no IoU: one good frame of many is enough, but one frame is none.
        (2, 3, (2, 3, 4, 5, 6, 7), 0.5, -0.5),
        (2, 2, (2,), -0.5, 0.5),
        (0, 99, tuple(range(10)), 0.5, 0.5),
        (3, 2, (2, 3), -0.5, 0.5),
        # Nothing is to be found.
        (2, 5, (), 0.5, 0.5),
        (5, 5, (), -0.5, 0.5),
    ],
)
def test_window(start, end, shows, released, fixed):
    texts = [turn("select", 0, 9), turn("answer", start, end)]
    for variant, wanted in zip(BOTH, (released, fixed), strict=True):
        score = window_score(texts, visible(*shows), variant=variant)
        assert score == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("variant", BOTH)
def test_a_window_that_cannot_be_read_is_a_miss(variant):
    for texts in ([], ["so it is"], [turn("select"), "so it is"]):
        assert window_score(texts, visible(1), variant=variant) == -0.5
        assert keyframe_hit(texts, visible(1), variant=variant) == -1


def test_released_rewards_read_python_and_missing_keys_as_zero():
    text = "<answer><VTG>{'start': 0, 'end': 2}</VTG></answer>"
    assert window_score([text], visible(0, 1), variant="released") == pytest.approx(0.5, abs=1e-5)
    assert keyframe_hit([text], visible(0), variant="released") == 1
    assert keyframe_hit([text], visible(1), variant="released") == -1
    broken = "<answer><VTG>{'start': __import__}</VTG></answer>"
    assert keyframe_hit([broken], visible(0), variant="released") == -1


def test_keyframe():
    for variant in BOTH:
        assert keyframe_hit([turn(keyframe=3)], visible(3), variant=variant) == 1
        assert keyframe_hit([turn(keyframe=3)], visible(4), variant=variant) == -1
        assert keyframe_hit([turn(keyframe=99)], visible(9), variant=variant) == 1
    assert keyframe_hit([turn()], visible(), variant="released") == -1
    assert keyframe_hit([turn()], visible(), variant="fixed") == 1
    nothing = THOUGHT + '<answer>{"objects": []}</answer>'
    assert keyframe_hit([nothing], visible(), variant="fixed") == 1
    assert keyframe_hit([nothing], visible(3), variant="fixed") == -1


@pytest.mark.parametrize(
    ("value", "gain"),
    [(0, -1), (0.2, -1), (0.201, 0), (0.4, 0), (0.401, 0.003), (0.5, 0.3), (0.9, 1.5), (1, 1.5)],
)
def test_masks(value, gain):
    assert mask_gain([value]) == pytest.approx(gain)
    assert mask_gain([value, 1.0]) == pytest.approx((gain + 1.5) / 2)


def test_no_mask_is_the_worst():
    assert mask_gain([]) == -1


@pytest.mark.parametrize(
    ("gain", "released", "fixed"),
    [
        (-0.06, -1, -1),
        (-0.05, -1, -1),
        (-0.04, 0, 0),
        (0.1, 0, 0),
        (0.11, 0.5, 0.5),
        (0.2, 0.5, 0.5),
        (0.21, 0.5, 0.55),
        (0.3, 0.5, 1.0),
        (0.5, 0.5, 2.0),
        (0.7, 0.5, 2.0),
    ],
)
def test_keyframe_beside_the_overview(gain, released, fixed):
    for variant, wanted in zip(BOTH, (released, fixed), strict=True):
        assert keyframe_gain([[0.9], [0.0]], [0.9, gain], variant=variant) == pytest.approx(wanted)
        assert keyframe_gain([[0.0]], [gain], variant=variant) == 0


@pytest.mark.parametrize(
    ("gain", "released", "fixed"),
    [
        (-0.06, -1, -1),
        (-0.05, -1, -1),
        (-0.04, 0, 0),
        (0.05, 0, 0),
        (0.06, 0.5, 0.5),
        (0.1, 0.5, 0.5),
        (0.11, 0.5, 0.6),
        (0.2, 0.5, 1.5),
        (0.25, 0.5, 2.0),
        (0.5, 0.5, 2.0),
    ],
)
def test_progress(gain, released, fixed):
    for variant, wanted in zip(BOTH, (released, fixed), strict=True):
        assert progress_gain([0.0, gain], variant=variant) == pytest.approx(wanted)
        assert progress_gain([gain], variant=variant) == 0
    # The best of the turns before counts, not the last of them.
    assert progress_gain([0.9, 0.1, 0.5]) == -1


def test_rewards_stay_in_their_ranges():
    rng = np.random.default_rng(0)
    for _ in range(500):
        overview = rng.random((int(rng.integers(1, 4)), 5)).tolist()
        keyframe = rng.random(len(overview)).tolist()
        assert -1 <= mask_gain(overview[-1]) <= 1.5
        for variant, most in zip(BOTH, (0.5, 2.0), strict=True):
            assert -1 <= keyframe_gain(overview, keyframe, variant=variant) <= most
            assert -1 <= progress_gain(keyframe, variant=variant) <= most


# -- rollouts --------------------------------------------------------------------------------


def make_rollout(texts, masks=(), *, error=None, keyframe=None):
    sample = toy_sample(0)
    steps = tuple(
        Step("grounder", number, None, (1, 2), text) for number, text in enumerate(texts)
    )
    moves = [vs.Look(vs.Window(0, 4), 1)] * (len(texts) - 1)
    prompt = vs.Prompt(1, keyframe, points=(vs.Point(1, 1),)) if keyframe is not None else None
    moves.append(vs.Grounding(keyframe, (prompt,) if prompt else ()))
    episode = None if error else SimpleNamespace(moves=tuple(moves))
    return Rollout(sample, 0, 0, 0, steps, episode, error, tuple(masks))


def seg(turn_, sample, frames, *, right=True, index=0):
    logits = []
    for frame in frames:
        true = torch.from_numpy(sample.mask(frame)).float()
        logits.append(true * 2 - 1 if right else -torch.ones_like(true))
    return SegMasks(turn_, turn_, index, tuple(frames[:-1]), frames[-1], torch.stack(logits))


def test_masks_of_a_rollout_are_compared_with_the_truth():
    sample = toy_sample(0)
    right, wrong = (seg(0, sample, [0, 3, 5], right=good, index=1 - good) for good in (1, 0))
    overview, keyframe = mask_ious(make_rollout([turn()], [right]))
    assert (overview, keyframe) == ([[1.0, 1.0]], [1.0])
    # Several are averaged on the overview; on the keyframe the last counts.
    overview, keyframe = mask_ious(make_rollout([turn()], [right, wrong]))
    assert (overview, keyframe) == ([[0.5, 0.5]], [0.0])
    overview, keyframe = mask_ious(make_rollout([turn("select"), turn()], [right]))
    assert (overview, keyframe) == ([[1.0, 1.0], [0.0]], [1.0, 0.0])


def test_an_empty_mask_of_what_is_not_there_is_right_but_as_released_not_on_the_keyframe():
    rollout = make_rollout([turn()])
    hidden = vs.MaskTrack(1, rollout.sample.video.size, (None,) * 8)
    sample = type(rollout.sample)("none", rollout.sample.video, "none", {1: hidden})
    masks = seg(0, sample, [0, 1], right=False)
    rollout = Rollout(sample, 0, 0, 0, rollout.steps, rollout.episode, None, (masks,))
    assert mask_ious(rollout, variant="released") == ([[1.0]], [0.0])
    assert mask_ious(rollout, variant="fixed") == ([[1.0]], [1.0])


@pytest.mark.parametrize("variant", BOTH)
def test_the_terms_are_seven_in_four_groups(variant):
    terms = o3_terms(variant=variant, weights={"format": 0.5})
    assert [term.name for term in terms] == [
        name for names in O3_GROUPS.values() for name in names
    ]
    assert [term.weight for term in terms] == [0.5, 0.5, 1, 1, 1, 1, 1]
    sample = toy_sample(0)
    texts = [turn("select"), turn(start=0, end=7)]
    masks = [seg(0, sample, [0, 3], right=False), seg(1, sample, [0, 3])]
    [score] = score_rollouts([make_rollout(texts, masks, keyframe=3)], terms)
    gain = 0.5 if variant == "released" else 2.0
    wanted = [1, 1, 0.5, 1, 1.5, 0, gain]
    assert list(score.parts.values()) == pytest.approx(wanted, abs=1e-5)


def test_an_episode_that_failed_gets_the_lowest_of_all_but_its_form():
    terms = o3_terms(visible_area=True)
    [score] = score_rollouts([make_rollout([turn("select"), "oh"], error="unread")], terms)
    assert score.parts == {
        "o3-format": -1,
        "o3-steps": 0.5,
        "o3-window": -0.5,
        "o3-visible-area": 0,
        "o3-mask": -1,
        "o3-keyframe-gain": -1,
        "o3-progress": -1,
    }


def test_the_visible_area_is_a_share_of_its_largest():
    reward = next(t.reward for t in o3_terms(visible_area=True) if t.name == "o3-visible-area")
    sample = toy_sample(0)
    areas = sample.tracks()[1].areas
    for frame in (0, 4):
        rollout = make_rollout([turn()], keyframe=frame)
        assert reward(rollout, sample.tracks()) == areas[frame] / max(areas)
    assert reward(make_rollout([turn()]), sample.tracks()) == 0
    assert reward(make_rollout([turn()]), {}) == 1


def test_the_rewards_are_components_with_options():
    registry = vs.default_registry()
    names = [name for group in O3_GROUPS.values() for name in group]
    for name in names:
        options = {} if name == "o3-steps" else {"variant": "released"}
        assert callable(registry.build("reward", name, options))
    with pytest.raises(vs.ConfigError, match="variant"):
        registry.build("reward", "o3-mask", {"variant": "new"})
