import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from videoseg.errors import ConfigError
from videoseg.masks import contour_polygons, inner_boundary, inner_point

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@given(masks, st.integers(1, 3))
def test_inner_boundary_is_the_part_near_the_outside(mask, thickness):
    depth = ndimage.distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
    expected = mask & (depth <= thickness)
    assert np.array_equal(inner_boundary(mask, thickness), expected)


def test_a_boundary_without_thickness_is_refused():
    with pytest.raises(ConfigError, match="thickness"):
        inner_boundary(np.ones((3, 3), bool), 0)


@given(masks)
def test_inner_point_lies_on_the_mask_as_deep_as_possible(mask):
    point = inner_point(mask)
    if not mask.any():
        assert point is None
        return
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert depth[int(point.y), int(point.x)] == pytest.approx(depth.max(), rel=1e-4)


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
