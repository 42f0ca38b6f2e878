import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from videoseg.errors import ShapeError
from videoseg.metrics import boundary_f, region_j

pairs = st.tuples(st.integers(1, 3), st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def slow_boundary(mask):
    """The definition, pixel by pixel: a pixel that differs from right, lower, lower right."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            right, below = min(x + 1, width - 1), min(y + 1, height - 1)
            others = [mask[y, right], mask[below, x], mask[below, right]]
            if y == height - 1:
                others = [mask[y, right]]
            elif x == width - 1:
                others = [mask[below, x]]
            out[y, x] = any(other != mask[y, x] for other in others)
    if height and width:
        out[-1, -1] = False
    return out


def slow_f(pred, target, radius):
    a, b = np.argwhere(slow_boundary(pred)), np.argwhere(slow_boundary(target))
    if len(a) == 0 and len(b) == 0:
        return 1.0
    if len(a) == 0 or len(b) == 0:
        return 0.0
    near = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)) <= radius
    precision, recall = near.any(1).mean(), near.any(0).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@settings(deadline=None)
@given(pairs)
def test_j_and_f_equal_their_direct_definitions(pair):
    pred, target = pair
    radius = int(np.ceil(0.008 * np.hypot(*target.shape[1:])))
    for p, t, j, f in zip(
        pred, target, region_j(pred, target), boundary_f(pred, target), strict=True
    ):
        union = (p | t).sum()
        assert j == pytest.approx((p & t).sum() / union if union else 1.0, abs=1e-12)
        assert f == pytest.approx(slow_f(p, t, radius), abs=1e-9)


@settings(deadline=None)
@given(pairs)
def test_a_perfect_prediction_scores_one_and_scores_are_symmetric(pair):
    pred, target = pair
    assert (region_j(target, target) == 1).all()
    assert (boundary_f(target, target) == 1).all()
    assert region_j(pred, target) == pytest.approx(region_j(target, pred))
    assert boundary_f(pred, target) == pytest.approx(boundary_f(target, pred))


def test_an_empty_prediction_of_something_scores_zero():
    target = np.zeros((1, 8, 8), bool)
    target[0, 2:5, 2:5] = True
    assert region_j(target & False, target).tolist() == [0.0]
    assert boundary_f(target & False, target).tolist() == [0.0]


def test_shapes_that_differ_are_named():
    with pytest.raises(ShapeError) as caught:
        region_j(np.zeros((1, 2, 3), bool), np.zeros((1, 3, 2), bool))
    assert caught.value.actual == (1, 2, 3)
    with pytest.raises(ShapeError):
        boundary_f(np.zeros((2, 3), bool), np.zeros((2, 3), bool))


def test_scores_equal_the_official_package_on_its_published_masks(real_clips):
    from PIL import Image

    reference = json.loads((real_clips / "results" / "reference_metrics.json").read_text())
    for name in ("blackswan", "dogs-jump"):
        official = reference["sequences"][name]["semi-supervised/osvos"]["objects"]
        files = sorted((real_clips / "davis/Annotations/480p" / name).glob("*.png"))
        target = np.stack([np.array(Image.open(file)) for file in files])
        height, width = target.shape[1:]
        pred = np.stack(
            [
                np.array(
                    Image.open(real_clips / "results/osvos" / name / file.name).resize(
                        (width, height), Image.Resampling.NEAREST
                    )
                )
                for file in files
            ]
        )
        for index, expected in enumerate(official, start=1):
            truth = target == index if len(official) > 1 else target > 127
            j = region_j(pred == index, truth)[1:-1].mean()
            f = boundary_f(pred == index, truth)[1:-1].mean()
            assert j == pytest.approx(expected["J_mean"], abs=1e-5)
            assert f == pytest.approx(expected["F_mean"], abs=1e-5)
