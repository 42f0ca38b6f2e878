import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from videoseg.errors import ConfigError, ShapeError
from videoseg.masks import fill_holes, largest_component, remove_specks

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@given(masks)
def test_largest_component_is_the_largest_one_scipy_finds(mask):
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    result = largest_component(mask)
    sizes = [int((labels == index).sum()) for index in range(1, count + 1)]
    assert result.sum() == max(sizes, default=0)
    assert not (result & ~mask).any()
    assert len(np.unique(labels[result])) <= 1


@given(masks)
def test_fill_holes_fills_what_scipy_fills(mask):
    assert np.array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


@given(masks, st.integers(0, 6))
def test_fill_holes_leaves_holes_above_the_limit(mask, limit):
    holes, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    expected = mask.copy()
    for index in range(1, count + 1):
        if (holes == index).sum() <= limit:
            expected |= holes == index
    assert np.array_equal(fill_holes(mask, limit), expected)


@given(masks, st.integers(0, 8))
def test_remove_specks_keeps_exactly_the_parts_that_are_large_enough(mask, min_area):
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    expected = np.zeros_like(mask)
    for index in range(1, count + 1):
        if (labels == index).sum() >= min_area:
            expected |= labels == index
    assert np.array_equal(remove_specks(mask, min_area), expected)


@given(masks)
def test_operations_leave_their_input_alone(mask):
    before = mask.copy()
    for result in (largest_component(mask), fill_holes(mask), remove_specks(mask, 2)):
        result[:] = True
    assert np.array_equal(mask, before)


@pytest.mark.parametrize("function", [largest_component, fill_holes])
def test_a_stack_of_masks_is_refused(function):
    with pytest.raises(ShapeError, match=r"\(H, W\)"):
        function(np.zeros((2, 3, 4), bool))


def test_a_negative_area_is_refused():
    with pytest.raises(ConfigError, match="min_area"):
        remove_specks(np.ones((2, 2), bool), -1)
    with pytest.raises(ConfigError, match="max_area"):
        fill_holes(np.ones((2, 2), bool), -1)
