"""Protocols that calculate as a released script does, against that calculation done slowly."""

from __future__ import annotations

import numpy as np
import pytest

from videoseg.errors import ConfigError, EvaluationError
from videoseg.metrics import EvalProtocol, ProtocolMetrics, protocol_named, score_sample
from videoseg.types import Rle, from_dict

SIZE = (12, 16)
REVOS, REVOS_OFFICIAL = protocol_named("revos"), protocol_named("revos-official")
UNSUPERVISED = protocol_named("davis-2017-unsupervised")
SEMI_SUPERVISED = protocol_named("davis-2017-semi-supervised")


def box(top, left, bottom, right):
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def encoded(masks):
    return [Rle.encode(mask) if mask.any() else None for mask in masks]


# -- ReVOS: annotations added up in 8 bits -----------------------------------------------


def slow_revos(annotations, predicted, foreground):
    """A and R of one sample, as tools/eval_revos.py of VISA computes them from 8-bit arrays."""
    accuracies, robustnesses = [], []
    for frame, mask in enumerate(predicted):
        truth = np.zeros(SIZE, np.uint8)
        for track in annotations:
            truth += track[frame].astype(np.uint8)
        wrong = ((np.uint8(1) - truth) * mask).sum()
        accuracies.append((truth == mask).mean())
        robustnesses.append(max(1 - wrong / (foreground[frame] + 1e-6), 0.0))
    return np.mean(accuracies), np.mean(robustnesses)


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("seed", range(4))
def test_revos_official_adds_overlapping_annotations_in_eight_bits(value, seed):
    rng = np.random.default_rng(seed)
    tracks = rng.random((3, 5, *SIZE)) < 0.3
    tracks[:, 1] = [box(0, 0, 4, 4), box(5, 5, 8, 8), box(9, 9, 12, 12)]
    tracks[:, 2] = False
    predicted = rng.random((5, *SIZE)) < 0.4
    predicted[3] = False
    foreground = tracks.sum(axis=(0, 2, 3))
    score = score_sample(
        {1: encoded(predicted)},
        {key: encoded(track) for key, track in enumerate(tracks)},
        size=SIZE,
        protocol=REVOS_OFFICIAL,
        foreground=encoded(tracks.any(axis=0)),
        foreground_pixels=foreground.tolist(),
        mask_values=[value] * 5,
    )
    written = predicted.astype(np.uint8) * np.uint8(value)
    accuracy, robustness = slow_revos(tracks, written, foreground)
    assert score.values["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    assert score.values["robustness"] == pytest.approx(robustness, abs=1e-12)


def test_without_overlap_and_written_as_1_both_protocols_of_revos_agree():
    truth = {1: [box(2, 2, 8, 8)], 2: [box(2, 9, 8, 12)]}
    encoded_truth = {key: encoded(masks) for key, masks in truth.items()}
    predicted = {1: encoded([box(2, 3, 8, 12)])}
    ours, theirs = (
        score_sample(predicted, encoded_truth, size=SIZE, protocol=protocol)
        for protocol in (REVOS, REVOS_OFFICIAL)
    )
    assert dict(ours.values) == pytest.approx(dict(theirs.values), abs=1e-12)


def test_a_square_that_is_off_by_a_pixel_scores_as_the_page_of_revos_says():
    size = (128, 128)
    truth, predicted = np.zeros(size, bool), np.zeros(size, bool)
    truth[20:60, 20:60], predicted[20:60, 21:61] = True, True

    def values(mask_value):
        score = score_sample(
            {1: [Rle.encode(predicted)]},
            {1: [Rle.encode(truth)]},
            size=size,
            protocol=REVOS_OFFICIAL,
            mask_values=[mask_value],
        )
        return score.values["robustness"], score.values["accuracy"]

    assert values(1) == (pytest.approx(0.975), pytest.approx(1 - 80 / 128**2))
    assert values(255) == (0.0, pytest.approx(1 - 1640 / 128**2))


def test_numbers_for_eight_bits_must_be_one_for_each_frame():
    mask = encoded([box(0, 0, 3, 3)])
    for name in ("mask_values", "foreground_pixels"):
        with pytest.raises(EvaluationError, match=r"2 .* for 1 annotated frames"):
            score_sample(
                {1: mask}, {1: mask}, size=SIZE, protocol=REVOS_OFFICIAL, **{name: [1, 1]}
            )


# -- LISA: pixels that two polygons cover ------------------------------------------------


def test_refcoco_lisa_drops_what_two_outlines_of_an_object_cover():
    first, second = box(0, 0, 8, 8), box(4, 4, 12, 12)
    truth = {1: encoded([first | second])}
    repeated = encoded([first & second])
    predicted = {1: encoded([first])}
    lisa = score_sample(
        predicted, truth, size=SIZE, protocol=protocol_named("refcoco-lisa"), repeated=repeated
    )
    # Of 64 + 64 pixels, 16 of them twice: 96 are left, 48 of them found by the 64 predicted.
    assert (lisa.intersection, lisa.union) == (48, 112)
    usual = score_sample(
        predicted, truth, size=SIZE, protocol=protocol_named("refcoco"), repeated=repeated
    )
    assert (usual.intersection, usual.union) == (64, 112)


# -- ReasonVOS: missing predictions ------------------------------------------------------


def test_reasonvos_official_leaves_missing_predictions_out_of_the_mean():
    mask = encoded([box(0, 0, 6, 6)])
    half = encoded([box(0, 0, 3, 6)])
    for name, expected in (("reasonvos", 0.25), ("reasonvos-official", 0.5)):
        metrics = ProtocolMetrics(protocol_named(name))
        for predicted in ({1: half}, None):
            metrics.update(
                score_sample(predicted, {1: mask}, size=SIZE, protocol=metrics.protocol)
            )
        summary = metrics.compute()
        assert summary.overall["j"] == expected
        assert summary.num_missing == 1


# -- DAVIS: the objects of the first frame -----------------------------------------------


def test_what_appears_later_than_the_first_frame_does_not_count():
    early, late = box(0, 0, 4, 4), box(6, 6, 10, 10)
    nothing = np.zeros(SIZE, bool)
    truth = {1: encoded([early] * 4), 2: encoded([nothing, late, late, late])}
    for protocol in (SEMI_SUPERVISED, UNSUPERVISED):
        score = score_sample({1: truth[1]}, truth, size=SIZE, protocol=protocol)
        assert [one.object_id for one in score.objects] == [1]
        assert score.values["j_and_f"] == 1.0


def test_predicting_an_object_that_appears_later_is_no_mistake():
    truth = {1: encoded([box(0, 0, 4, 4)] * 4), 2: [None, *encoded([box(6, 6, 10, 10)] * 3)]}
    score = score_sample(truth, truth, size=SIZE, protocol=SEMI_SUPERVISED)
    assert score.values["j"] == 1.0


def test_ids_that_are_left_out_of_a_prediction_are_empty_proposals():
    there = encoded([box(0, 0, 4, 4)] * 2)
    # Object 2 is hidden on all frames but the first: an empty proposal is the best for it.
    truth = {1: there, 2: [*encoded([box(6, 6, 10, 10)]), None]}
    wrong = encoded([box(0, 10, 2, 12)] * 2)
    by_gap = score_sample({1: there, 3: wrong}, truth, size=SIZE, protocol=UNSUPERVISED)
    assert [one.values["j"] for one in by_gap.objects] == [1.0, 0.5]
    # Looked for and never found beyond the highest id: a picture of ids does not tell.
    beyond = {1: there, 2: wrong, 3: [None, None]}
    score = score_sample(beyond, truth, size=SIZE, protocol=UNSUPERVISED)
    assert [one.values["j"] for one in score.objects] == [1.0, 0.0]


def test_a_video_without_an_object_on_its_first_frame_is_in_no_mean():
    truth = {1: [None, *encoded([box(0, 0, 4, 4)] * 3)]}
    metrics = ProtocolMetrics(UNSUPERVISED)
    metrics.update(score_sample({1: [None] * 4}, truth, size=SIZE, protocol=UNSUPERVISED))
    assert dict(metrics.compute().overall) == {}


def test_ids_may_be_any_numbers():
    masks = encoded([box(0, 0, 4, 4)] * 4)
    score = score_sample({1: masks}, {0: masks, 4711: masks}, size=SIZE, protocol=UNSUPERVISED)
    assert [one.object_id for one in score.objects] == [0, 4711]


def test_void_pixels_are_background_where_first_masks_are_given():
    there, void = box(0, 0, 4, 4), box(0, 4, 4, 8)
    truth, predicted = encoded([there] * 3), encoded([there | void] * 3)
    for protocol, expected in ((SEMI_SUPERVISED, 0.5), (UNSUPERVISED, 1.0)):
        score = score_sample(
            {1: predicted}, {1: truth}, size=SIZE, protocol=protocol, ignored=encoded([void] * 3)
        )
        assert score.values["j"] == expected


# -- the rules themselves ----------------------------------------------------------------


def test_rules_that_differ_from_the_usual_are_printed():
    assert "true_objects first-frame" in str(UNSUPERVISED)
    assert "overlaps added" in str(REVOS_OFFICIAL)
    assert "true_objects" not in str(REVOS) and "overlaps" not in str(REVOS)
    assert from_dict(EvalProtocol, REVOS_OFFICIAL.to_dict()) == REVOS_OFFICIAL


@pytest.mark.parametrize(
    "rules",
    [
        {"overlaps": "added", "objects": "per-object"},
        {"overlaps": "dropped", "start": "first-appearance"},
        {"tolerance": float("nan")},
        {"tolerance": float("inf")},
        {"tolerance": "0.008"},
        {"frames": "iner"},
        {"start": "first"},
        {"objects": "each"},
        {"matching": "hungarian"},
        {"extra_objects": "drop"},
        {"missing": "skip"},
        {"resolution": "linear"},
        {"overall": "videos"},
        {"overall": "groups", "groups": "referring"},
        {"true_objects": "some"},
        {"void": ["ignored"]},
    ],
)
def test_rules_that_cannot_be_are_refused(rules):
    with pytest.raises(ConfigError):
        EvalProtocol("mine", ("j",), **rules)
