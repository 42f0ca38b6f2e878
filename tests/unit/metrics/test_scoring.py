"""What a protocol makes of perfect, empty, missing, permuted, extra and misfit predictions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from videoseg.errors import ConfigError, EvaluationError
from videoseg.metrics import PROTOCOLS, EvalProtocol, SampleScore, protocol_named, score_sample
from videoseg.types import Rle, Window, from_dict, to_dict

SIZE = (40, 60)
# MOSEv2 smooths J and has measures that not every object has; test_first_masks.py has its rules.
WITH_MASKS = [
    each for each in PROTOCOLS.values() if each.name not in ("temporal-grounding", "mosev2")
]
# The final score belongs to a table; test_final_score.py has its rules.
DECAYS = {"j_decay", "f_decay", "jf_deviation"}  # 0 is best


def by_name(protocols):
    return pytest.mark.parametrize("protocol", protocols, ids=lambda each: each.name)


@pytest.fixture
def truth(moving_squares, encoded):
    return {
        1: encoded(moving_squares(6)),
        2: encoded(moving_squares(6, top=20, side=13)),
    }


@by_name(WITH_MASKS)
def test_a_perfect_prediction_scores_exactly_one(protocol, truth):
    score = score_sample(truth, truth, size=SIZE, protocol=protocol)
    assert "no_target_accuracy" not in score.values
    for name in set(protocol.measures) - {"no_target_accuracy", "final_score"}:
        assert score.values[name] == (0.0 if name in DECAYS else 1.0), name
    assert score.intersection == score.union > 0


@by_name(WITH_MASKS)
def test_a_perfect_answer_of_none_scores_exactly_one(protocol):
    score = score_sample({}, {}, size=SIZE, protocol=protocol)
    assert score.predicted_empty and score.target_empty
    for name in set(protocol.measures) - {"target_accuracy", "final_score"}:
        assert score.values[name] == (0.0 if name in DECAYS else 1.0), name


@by_name(WITH_MASKS)
def test_an_empty_prediction_scores_zero_except_where_background_counts(protocol, truth):
    score = score_sample({}, truth, size=SIZE, protocol=protocol)
    united = sum(rle.area for masks in truth.values() for rle in masks)
    right = 1 - united / (6 * SIZE[0] * SIZE[1])
    expected = {"robustness": 1.0, "accuracy": right}
    for name, value in score.values.items():
        assert value == pytest.approx(expected.get(name, 0.0), abs=1e-12), name
    assert score.predicted_empty and not score.missing


@by_name(WITH_MASKS)
@pytest.mark.parametrize("target", [True, False])
def test_a_missing_prediction_scores_zero_throughout(protocol, truth, target):
    score = score_sample(None, truth if target else {}, size=SIZE, protocol=protocol)
    assert score.missing
    assert set(score.values.values()) == (set() if protocol.missing == "left-out" else {0.0})
    assert all(set(each.j_per_frame) == {0.0} for each in score.objects)


def test_a_protocol_may_take_a_missing_prediction_for_an_empty_one_or_refuse_it(truth):
    mevis = protocol_named("mevis")
    lenient, strict = replace(mevis, missing="empty"), replace(mevis, missing="error")
    assert score_sample(None, {}, size=SIZE, protocol=lenient).values["j"] == 1.0
    with pytest.raises(EvaluationError, match="no prediction"):
        score_sample(None, truth, size=SIZE, protocol=strict)


@by_name(WITH_MASKS)
def test_something_where_nothing_is_counts_against_the_prediction(protocol, truth):
    rules = replace(protocol, extra_objects="ignore")
    score = score_sample(truth, {}, size=SIZE, protocol=rules)
    for name in {"j", "giou", "ciou", "no_target_accuracy", "tiou"} & set(score.values):
        assert score.values[name] == 0.0


def test_permuted_objects_are_wrong_by_id_right_by_matching_and_the_same_united(truth):
    permuted = {1: truth[2], 2: truth[1]}

    def j(name):
        return score_sample(permuted, truth, size=SIZE, protocol=protocol_named(name)).values["j"]

    assert j("davis-2017-semi-supervised") == 0.0
    assert j("davis-2017-unsupervised") == j("mevis") == 1.0


def test_an_object_missing_from_a_prediction_has_no_mask(truth):
    for name in ("davis-2017-semi-supervised", "davis-2017-unsupervised"):
        score = score_sample({2: truth[2]}, truth, size=SIZE, protocol=protocol_named(name))
        assert [each.values["j"] for each in score.objects] == [0.0, 1.0]
        assert [each.predicted_id for each in score.objects] == [None, 2]
        assert score.values["j"] == 0.5


def test_extra_objects_are_refused_ignored_or_count_as_the_protocol_says(truth, encoded):
    elsewhere = np.zeros((6, *SIZE), dtype=bool)
    elsewhere[:, 36:, 50:] = True
    pred = {**truth, 9: encoded(elsewhere)}
    with pytest.raises(EvaluationError, match=r"\[9\].*\[1, 2\]"):
        score_sample(pred, truth, size=SIZE, protocol=protocol_named("davis-2017-semi-supervised"))
    for name in ("davis-2017-unsupervised", "vos-benchmark"):
        score = score_sample(pred, truth, size=SIZE, protocol=protocol_named(name))
        assert score.values["j_and_f"] == 1.0
    assert score_sample(pred, truth, size=SIZE, protocol=protocol_named("mevis")).values["j"] < 1


def test_more_proposals_than_the_protocol_allows_are_refused(truth):
    many = dict.fromkeys(range(21), truth[1])
    with pytest.raises(EvaluationError, match=r"21 objects are predicted.*allows 20"):
        score_sample(many, truth, size=SIZE, protocol=protocol_named("davis-2017-unsupervised"))


def test_masks_of_another_size_are_refused_or_resized_as_the_protocol_says(truth):
    large = {
        key: [Rle.encode(np.kron(rle.decode(), np.ones((2, 2), bool))) for rle in masks]
        for key, masks in truth.items()
    }
    mevis = protocol_named("mevis")
    with pytest.raises(EvaluationError, match="80x120 instead of 40x60"):
        score_sample(large, truth, size=SIZE, protocol=mevis)
    resizing = replace(mevis, resolution="nearest")
    assert score_sample(large, truth, size=SIZE, protocol=resizing).values["j_and_f"] == 1.0
    with pytest.raises(EvaluationError, match="true object 1"):
        score_sample(truth, large, size=SIZE, protocol=resizing)


def test_every_problem_is_listed_at_once(truth):
    short = {1: truth[1][:4], 2: [Rle.empty((3, 3))] * 6, 5: truth[1]}
    with pytest.raises(EvaluationError) as caught:
        score_sample(
            short, truth, size=SIZE, protocol=protocol_named("davis-2017-semi-supervised")
        )
    message = str(caught.value)
    assert "predicted object 1 has 4 masks for 6 annotated frames" in message
    assert "predicted object 2" in message and "3x3" in message
    assert "[5]" in message


def test_two_frames_are_too_few_where_the_first_and_the_last_do_not_count(truth):
    two = {1: truth[1][:2]}
    with pytest.raises(EvaluationError, match="of 2 annotated frames none counts"):
        score_sample(two, two, size=SIZE, protocol=protocol_named("davis-2016"))


@pytest.mark.parametrize("num_frames", [300, 1000])
@pytest.mark.parametrize("name", ["davis-2017-semi-supervised", "davis-2017-unsupervised"])
def test_decay_of_a_long_clip_is_that_of_its_own_quarters(
    num_frames, name, moving_squares, encoded
):
    masks = moving_squares(num_frames)
    lost = masks.copy()
    lost[num_frames * 3 // 4 :] = False
    score = score_sample(
        {1: encoded(lost)}, {1: encoded(masks)}, size=SIZE, protocol=protocol_named(name)
    )
    assert score.values["j_decay"] == pytest.approx(1.0, abs=0.02)
    assert score.values["f_decay"] == pytest.approx(1.0, abs=0.02)
    assert score.values["j"] == pytest.approx(0.75, abs=0.01)
    perfect = {1: encoded(masks)}
    again = score_sample(perfect, perfect, size=SIZE, protocol=protocol_named(name))
    assert again.values["j_and_f"] == 1.0 and again.values["j_decay"] == 0.0


def test_frames_before_the_first_appearance_count_or_not(moving_squares, encoded):
    masks = moving_squares(12)
    masks[:6] = False
    shifted = np.roll(masks, 2, axis=1)
    pred, truth = {1: encoded(shifted)}, {1: encoded(masks)}

    def frames(**rules):
        protocol = EvalProtocol("mine", ("j",), objects="per-object", **rules)
        return score_sample(pred, truth, size=SIZE, protocol=protocol).objects[0].j_per_frame

    assert len(frames()) == 12 and frames()[:6] == (1.0,) * 6
    assert len(frames(start="first-appearance")) == 6
    assert max(frames(start="first-appearance")) < 1
    # The prediction counts as an appearance, too.
    pred[1][2] = pred[1][8]
    assert len(frames(start="first-appearance")) == 10
    assert len(frames(start="first-appearance", frames="inner")) == 9


def test_an_object_that_no_counted_frame_shows_is_left_out_of_vos_benchmark(truth):
    late = {1: truth[1], 2: [None] * 5 + [truth[2][5]]}
    score = score_sample(truth, late, size=SIZE, protocol=protocol_named("vos-benchmark"))
    assert [each.object_id for each in score.objects] == [1]


def test_overlapping_true_objects_count_once(encoded):
    whole, half = np.zeros((2, 1, *SIZE), dtype=bool)
    whole[:, 5:15, 5:15], half[:, 5:15, 5:10] = True, True
    truth = {1: encoded(whole), 2: encoded(half)}
    score = score_sample(
        {1: encoded(whole)},
        truth,
        size=SIZE,
        protocol=protocol_named("revos"),
        foreground=encoded(whole),
    )
    assert set(score.values.values()) == {1.0}


def test_ignored_pixels_count_neither_way(encoded):
    target, pred, void = np.zeros((3, 1, *SIZE), dtype=bool)
    target[:, 5:15, 5:15], pred[:, 5:15, 5:25], void[:, 5:15, 15:30] = True, True, True
    score = score_sample(
        {1: encoded(pred)},
        {1: encoded(target)},
        size=SIZE,
        protocol=protocol_named("davis-2017-unsupervised"),
        ignored=encoded(void),
    )
    assert score.values["j_and_f"] == 1.0


def test_windows_are_scored_without_masks():
    protocol = protocol_named("temporal-grounding")
    score = score_sample(
        {},
        {},
        size=SIZE,
        protocol=protocol,
        predicted_window=Window(0, 6),
        true_window=Window(0, 10),
    )
    assert score.values == {
        "window_recall_at_30": 1.0,
        "window_recall_at_50": 1.0,
        "window_recall_at_70": 0.0,
        "window_iou": 0.6,
    }
    none = score_sample({}, {}, size=SIZE, protocol=protocol, true_window=Window(0, 10))
    assert set(none.values.values()) == {0.0}
    assert score_sample({}, {}, size=SIZE, protocol=protocol).values == {}


def test_a_score_goes_to_json_and_back(truth):
    score = score_sample({1: truth[2]}, truth, size=SIZE, protocol=protocol_named("revos"))
    assert from_dict(SampleScore, json.loads(json.dumps(to_dict(score)))) == score


def test_a_protocol_that_does_not_exist_is_an_error_with_close_matches():
    with pytest.raises(ConfigError, match="did you mean mevis"):
        protocol_named("meviss")


@by_name(PROTOCOLS.values())
def test_every_protocol_says_where_its_rules_are_from_and_prints_them(protocol):
    assert protocol.source
    assert protocol.name in str(protocol) and "overall" in str(protocol)
    assert from_dict(EvalProtocol, json.loads(json.dumps(protocol.to_dict()))) == protocol
