"""Every measure of a video equals its direct definition, dense and encoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from slow_metrics import slow_decay, slow_f, slow_j, slow_robustness, slow_tiou_viou

from videoseg.errors import ConfigError, EvaluationError, ShapeError
from videoseg.metrics import (
    boundary_f,
    decay,
    mean,
    pixel_accuracy,
    recall,
    region_j,
    robustness,
    spatiotemporal_iou,
    tally,
    temporal_iou,
)
from videoseg.metrics.overlap import tally_rles
from videoseg.types import Rle


def smooth_or_not(shape, seed, share):
    """Noise, or blobs of about this share of the frame, or nothing, or everything."""
    noise = np.random.default_rng(seed).random(shape)
    if seed % 3 == 0:
        return noise < share
    width = 1 + seed % 4
    for axis in (1, 2):
        noise = sum(np.roll(noise, step, axis) for step in range(-width, width + 1))
    return noise <= np.quantile(noise, share)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 90), st.integers(1, 70)).flatmap(
    lambda shape: st.tuples(
        *[
            st.builds(
                smooth_or_not,
                st.just(shape),
                st.integers(0, 1000),
                st.sampled_from([0.0, 0.01, 0.2, 0.5, 0.97, 1.0]),
            )
        ]
        * 3
    )
)
tiny = st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(bool, shape)] * 3)
)


def rles(masks):
    return [Rle.encode(mask) if mask.any() else None for mask in masks]


@settings(deadline=None, max_examples=60)
@given(st.one_of(tiny, pairs), st.sampled_from([0.008, 0.05, 1, 2.5, 9, 1e6]))
def test_every_measure_equals_its_definition(masks, tolerance):
    pred, target, foreground = masks
    frames = list(zip(pred, target, strict=True))
    forms = [(pred, target, foreground), tuple(rles(each) for each in masks)]
    for p, t, g in forms:
        expected = [slow_j(*frame) for frame in frames]
        assert region_j(p, t) == pytest.approx(expected, abs=1e-9)
        expected = [slow_f(*frame, tolerance) for frame in frames]
        assert boundary_f(p, t, tolerance=tolerance) == pytest.approx(expected, abs=1e-9)
        expected = [slow_robustness(*each) for each in zip(*masks, strict=True)]
        assert robustness(p, t, g) == pytest.approx(expected, abs=1e-9)
        expected = [(a == b).mean() for a, b in frames]
        if any(each is not None for each in (*p, *t)):
            assert pixel_accuracy(p, t) == pytest.approx(expected, abs=1e-9)
        tiou, viou = slow_tiou_viou(pred, target)
        assert temporal_iou(p, t) == pytest.approx(tiou, abs=1e-9)
        assert spatiotemporal_iou(p, t) == pytest.approx(viou, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.one_of(tiny, pairs))
def test_dense_and_encoded_masks_count_the_same(masks):
    pred, target, ignored = masks
    dense = tally(pred & ~ignored, target & ~ignored, tolerance=0.02)
    sparse = tally_rles(
        rles(pred), rles(target), size=pred.shape[1:], tolerance=0.02, ignored=rles(ignored)
    )
    for name in ("pred", "target", "intersection", "boundary"):
        assert getattr(dense, name).tolist() == getattr(sparse, name).tolist(), name


@settings(deadline=None, max_examples=40)
@given(st.one_of(tiny, pairs))
def test_a_perfect_prediction_scores_exactly_one_and_scores_are_symmetric(masks):
    pred, target, _ = masks
    for p, t in ((pred, target), (rles(pred), rles(target))):
        assert region_j(t, t).tolist() == [1.0] * len(t)
        assert boundary_f(t, t).tolist() == [1.0] * len(t)
        assert region_j(p, t).tolist() == region_j(t, p).tolist()
        assert boundary_f(p, t).tolist() == boundary_f(t, p).tolist()


def test_large_frames_equal_the_definition():
    generator = np.random.default_rng(0)
    pred, target = np.zeros((2, 1, 135, 240), dtype=bool)
    for mask in (pred[0], target[0]):
        for _ in range(6):
            y, x = generator.integers(0, 110), generator.integers(0, 200)
            mask[y : y + generator.integers(2, 30), x : x + generator.integers(2, 40)] = True
    corner = np.ones((1, 135, 240), dtype=bool)
    corner[0, :7, 236:] = False
    for p, t in ((pred, target), (corner, target), (target, corner)):
        expected = [slow_f(p[0], t[0])]
        assert boundary_f(p, t) == pytest.approx(expected, abs=1e-9)
        assert boundary_f(rles(p), rles(t)) == pytest.approx(expected, abs=1e-9)


def test_an_empty_prediction_of_something_scores_zero():
    target = np.zeros((1, 8, 8), bool)
    target[0, 2:5, 2:5] = True
    for nothing, something in ((target & False, target), ([None], rles(target))):
        assert region_j(nothing, something).tolist() == [0.0]
        assert boundary_f(nothing, something).tolist() == [0.0]
        assert temporal_iou(nothing, something) == spatiotemporal_iou(nothing, something) == 0.0


def test_two_empty_frames_score_one_and_so_do_two_full_ones():
    for value in (False, True):
        masks = np.full((2, 5, 5), value)
        assert region_j(masks, masks).tolist() == boundary_f(masks, masks).tolist() == [1, 1]
    assert region_j([None], [None]).tolist() == boundary_f([None], [None]).tolist() == [1]


def test_a_full_frame_has_no_boundary_as_in_the_official_code():
    full, empty = np.ones((1, 5, 5), bool), np.zeros((1, 5, 5), bool)
    assert boundary_f(full, empty).tolist() == [1.0]
    assert region_j(full, empty).tolist() == [0.0]


def test_robustness_without_foreground_punishes_any_pixel():
    nothing, one = np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    one[0, 1, 1] = True
    assert robustness(nothing, nothing, nothing).tolist() == [1.0]
    assert robustness(one, nothing, nothing).tolist() == [0.0]


@settings(deadline=None)
@given(hnp.arrays(float, st.integers(1, 1200), elements=st.floats(0, 1)))
def test_decay_and_recall_equal_their_definitions_at_any_length(values):
    assert decay(values) == pytest.approx(slow_decay(values.tolist()), abs=1e-9)
    assert recall(values) == pytest.approx(float((values > 0.5).mean()), abs=1e-9)
    assert mean(values) == pytest.approx(float(values.mean()), abs=1e-9)


@pytest.mark.parametrize("num_frames", [255, 256, 257, 300, 1000])
def test_decay_of_a_long_clip_is_not_that_of_wrapped_quarters(num_frames):
    falling = np.linspace(1, 0, num_frames)
    assert decay(falling) == pytest.approx(0.75, abs=0.01)


def test_recall_counts_frames_above_one_half_only():
    assert recall(np.array([0.5, 0.51, 0.2, 1.0])) == 0.5


def test_no_frames_have_no_mean():
    with pytest.raises(ShapeError):
        mean(np.zeros(0))


def test_shapes_that_differ_are_named():
    with pytest.raises(ShapeError) as caught:
        region_j(np.zeros((1, 2, 3), bool), np.zeros((1, 3, 2), bool))
    assert caught.value.actual == (1, 2, 3)
    with pytest.raises(ShapeError):
        boundary_f(np.zeros((2, 3), bool), np.zeros((2, 3), bool))
    with pytest.raises(ShapeError):
        region_j(np.zeros((1, 2, 3), bool), [None])
    with pytest.raises(ShapeError):
        region_j([None], [None, None])
    with pytest.raises(ShapeError, match="a mask"):
        region_j(rles(np.ones((1, 2, 3), bool)), rles(np.ones((1, 3, 2), bool)))


@pytest.mark.parametrize(
    "counts",
    ["", "4", "44444", "~~~", "P", "o" * 40 + "0", "\x00\x00", "é", "0`\x81"],
    ids=["none", "too few", "too many", "no code", "cut off", "huge", "zeros", "text", "bytes"],
)
def test_runs_that_are_not_those_of_the_frame_are_refused(counts):
    good = Rle.encode(np.eye(3, dtype=bool))
    with pytest.raises(ConfigError, match=r"runs|counts"):
        Rle((3, 3), counts)
    # What was unpickled was not checked.
    odd = Rle.empty((3, 3))
    object.__setattr__(odd, "counts", counts)
    with pytest.raises(EvaluationError, match=r"runs|counts"):
        region_j([odd], [good])


@pytest.mark.parametrize("values", [-8.0, 0.01, np.nan, 7])
def test_dense_masks_that_are_no_masks_are_refused(values):
    good = np.zeros((1, 3, 3), bool)
    with pytest.raises(ConfigError, match="mask > 0"):
        region_j(np.full((1, 3, 3), values), good)
    with pytest.raises(ConfigError, match="mask > 0"):
        region_j(good, np.full((1, 3, 3), values))


def test_runs_of_no_length_change_nothing():
    from pycocotools import mask as coco

    dense = np.zeros((1, 3, 3), bool)
    dense[0, 1, :2] = True
    runs = [1, 0, 0, 1, 2, 0, 0, 1, 4]
    odd = Rle((3, 3), coco.frPyObjects({"size": [3, 3], "counts": runs}, 3, 3)["counts"].decode())
    assert region_j([odd], rles(dense)).tolist() == [1.0]
    assert boundary_f([odd], rles(dense)).tolist() == [1.0]


def test_scoring_leaves_the_masks_as_they_are():
    pred = np.random.default_rng(0).random((2, 30, 40)) > 0.5
    target = pred[::-1].copy()
    before = pred.copy(), target.copy()
    boundary_f(pred, target)
    assert (pred == before[0]).all() and (target == before[1]).all()


def test_numpy_without_bit_counting_counts_the_same(monkeypatch):
    pred = np.random.default_rng(0).random((3, 37, 41)) > 0.5
    target = pred[::-1].copy()
    before = tally(pred, target, tolerance=1)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    after = tally(pred, target, tolerance=1)
    assert before.intersection.tolist() == after.intersection.tolist()
    assert before.boundary.tolist() == after.boundary.tolist()


def test_frames_are_scored_alike_alone_and_in_groups():
    generator = np.random.default_rng(3)
    pred, target = generator.random((2, 40, 48, 64)) > 0.98
    pred[5], target[5], target[9] = False, False, False
    pred[20:, :10], target[20:, :10] = False, False
    together = tally(pred, target, tolerance=2)
    for masks in ((pred, target), (rles(pred), rles(target))):
        alone = [
            tally(masks[0][index : index + 1], masks[1][index : index + 1], tolerance=2)
            for index in range(40)
        ]
        assert [float(each.boundary[0]) for each in alone] == together.boundary.tolist()
        assert [int(each.intersection[0]) for each in alone] == together.intersection.tolist()
