import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from videoseg.errors import ConfigError, ShapeError
from videoseg.masks import (
    contour_polygons,
    fill_holes,
    index_map,
    inner_boundary,
    inner_point,
    iou,
    largest_component,
    remove_specks,
    rle_iou,
    union_of_rles,
)
from videoseg.types import Rle

SIZE = (9, 11)
mask_of_size = hnp.arrays(np.bool_, SIZE)


@given(mask_of_size, mask_of_size)
def test_iou_is_symmetric_and_agrees_with_the_encoded_one(first, second):
    value = iou(first, second)
    assert value == iou(second, first)
    assert value == rle_iou(Rle.encode(first), Rle.encode(second))
    union = (first | second).sum()
    assert value == ((first & second).sum() / union if union else 1.0)


def test_two_empty_masks_agree_completely():
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1.0


def test_masks_of_different_size_are_refused():
    with pytest.raises(ShapeError):
        iou(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
    with pytest.raises(ShapeError):
        rle_iou(Rle.empty((2, 2)), Rle.empty((2, 3)))
    with pytest.raises(ShapeError):
        union_of_rles([Rle.empty((2, 2))], size=(2, 3))


@given(st.lists(st.none() | mask_of_size, max_size=5))
def test_union_of_rles_is_the_union_of_the_masks(masks):
    expected = np.zeros(SIZE, bool)
    for mask in masks:
        if mask is not None:
            expected |= mask
    merged = union_of_rles(
        [None if mask is None else Rle.encode(mask) for mask in masks], size=SIZE
    )
    assert merged == Rle.encode(expected)


@given(st.dictionaries(st.integers(1, 255), mask_of_size, max_size=4))
def test_each_pixel_of_an_index_map_shows_the_smallest_object_there(masks):
    picture = index_map(masks, SIZE)
    for y, x in np.ndindex(SIZE):
        here = [key for key, mask in masks.items() if mask[y, x]]
        expected = min(here, key=lambda key: (masks[key].sum(), key), default=0)
        assert picture[y, x] == expected


def test_an_id_that_does_not_fit_into_a_byte_is_refused():
    with pytest.raises(ConfigError, match="256"):
        index_map({256: np.ones(SIZE, bool)}, SIZE)


NO_MASKS = [
    np.where(np.eye(4), 7.0, -8.0),
    np.full((4, 4), 0.01),
    np.full((4, 4), np.nan),
    np.eye(4, dtype=np.uint8) * 3,
]


@pytest.mark.parametrize("no_mask", NO_MASKS, ids=["logits", "probabilities", "nan", "ids"])
def test_what_is_no_mask_is_refused_with_what_to_write(no_mask):
    good = np.eye(4, dtype=bool)
    for act in (
        lambda: iou(good, no_mask),
        lambda: iou(no_mask, good),
        lambda: index_map({1: no_mask}, (4, 4)),
        lambda: largest_component(no_mask),
        lambda: remove_specks(no_mask, 2),
        lambda: fill_holes(no_mask),
        lambda: inner_boundary(no_mask),
        lambda: contour_polygons(no_mask),
        lambda: inner_point(no_mask),
    ):
        with pytest.raises(ConfigError, match=r"write mask > 0 of logits"):
            act()


def test_masks_of_zero_and_255_are_masks():
    mask = np.eye(4, dtype=np.uint8) * 255
    assert iou(mask, np.eye(4)) == 1.0
    assert index_map({2: mask}, (4, 4)).max() == 2
