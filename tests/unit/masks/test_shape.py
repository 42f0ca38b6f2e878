import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from videoseg.errors import ConfigError, ShapeError
from videoseg.masks import (
    bounding_box,
    bounding_slices,
    contour_polygons,
    inner_points,
    remove_specks,
)

sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))
masks = hnp.arrays(np.bool_, sizes)
pairs = sizes.flatmap(lambda size: st.tuples(*[hnp.arrays(np.bool_, size)] * 2))


@given(masks)
def test_bounding_slices_hold_the_whole_mask_and_nothing_more(mask):
    found = bounding_slices(mask)
    if not mask.any():
        assert found is None
        return
    inside = mask[found]
    assert inside.sum() == mask.sum()
    assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    box = bounding_box(mask)
    assert box.as_tuple() == (found[1].start, found[0].start, found[1].stop, found[0].stop)
    assert {type(corner) for corner in box.as_tuple()} == {int}


def test_an_empty_mask_has_no_box():
    with pytest.raises(ConfigError, match=r"check mask\.any\(\) first"):
        bounding_box(np.zeros((3, 4), bool))


@given(masks)
def test_the_first_inner_point_lies_as_deep_as_possible(mask):
    points = inner_points(mask)
    if not mask.any():
        assert points == ()
        return
    (point,) = points
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert depth[int(point.y), int(point.x)] == pytest.approx(depth.max(), rel=1e-4)


@pytest.mark.parametrize("exact", [True, False])
@given(masks, st.integers(1, 4))
def test_inner_points_lie_on_the_mask_and_apart(exact, mask, count):
    points = inner_points(mask, count=count, exact=exact)
    assert bool(points) == bool(mask.any())
    assert len(points) <= count
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    for number, point in enumerate(points):
        assert mask[int(point.y), int(point.x)]
        for other in points[:number]:
            assert np.hypot(point.x - other.x, point.y - other.y) >= 0.95 * depth.max()


def test_inner_points_keep_away_from_the_border_and_from_one_another():
    mask = np.zeros((40, 60), dtype=bool)
    mask[5:35, 4:50] = True
    first, second = inner_points(mask, count=2)
    assert mask[int(first.y) - 12 : int(first.y) + 12, int(first.x) - 12 : int(first.x) + 12].all()
    assert np.hypot(first.x - second.x, first.y - second.y) >= 14


def test_the_inner_point_of_a_single_pixel_is_its_center():
    mask = np.zeros((4, 4), dtype=bool)
    mask[3, 0] = True
    for exact in (True, False):
        (point,) = inner_points(mask, exact=exact)
        assert (point.x, point.y) == (0.5, 3.5)


@given(pairs, st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_parts_stay_that_are_large_enough_or_to_be_kept(pair, min_share):
    mask, keep = pair
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    parts = [labels == index for index in range(1, count + 1)]
    largest = max((part.sum() for part in parts), default=0)
    expected = np.zeros_like(mask)
    expected_with_keep = np.zeros_like(mask)
    for part in parts:
        large = part.sum() >= min_share * largest
        expected |= part & large
        expected_with_keep |= part & (large or (part & keep).any())
    before = mask.copy()
    assert np.array_equal(remove_specks(mask, min_share), expected)
    assert np.array_equal(remove_specks(mask, min_share, keep=keep), expected_with_keep)
    assert np.array_equal(mask, before)


@pytest.mark.parametrize("min_share", [-0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(min_share):
    with pytest.raises(ConfigError, match="min_share must be from 0 to 1"):
        remove_specks(np.ones((2, 2), bool), min_share)


@given(masks)
def test_contours_run_along_pixels_of_the_mask(mask):
    polygons = contour_polygons(mask)
    assert bool(polygons) == bool(mask.any())
    touched = {(int(x), int(y)) for polygon in polygons for x, y in polygon}
    edge = np.pad(mask, 1)
    for x, y in touched:
        around = edge[y : y + 3, x : x + 3]
        assert around.any() and not around.all()


def test_a_ring_has_an_outer_and_an_inner_contour():
    mask = np.ones((7, 7), bool)
    mask[3, 3] = False
    assert len(contour_polygons(mask)) == 2


FUNCTIONS = [
    bounding_slices,
    bounding_box,
    inner_points,
    contour_polygons,
    lambda mask: remove_specks(mask, 0.1),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_not_a_mask_is_refused(function):
    with pytest.raises(ShapeError, match=r"\(H, W\)"):
        function(np.zeros((2, 3, 4), bool))
    with pytest.raises(ConfigError, match=r"write mask > 0 of logits"):
        function(np.where(np.eye(4), 7.0, -8.0))
