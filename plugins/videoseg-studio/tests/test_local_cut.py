"""What a click on a mask changes: the part that looks alike, in reach, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from videoseg_studio.editing.local_cut import cut_around

from videoseg.types import Point

GROUND, BODY, LEG, FENCE = (90, 140, 70), (200, 160, 60), (180, 60, 50), (210, 170, 80)
LEG_PLACE = (slice(80, 112), slice(60, 74))


@pytest.fixture
def image():
    """Return an animal: a body, a leg of another color, and a fence of the body's behind it."""
    noise = np.random.default_rng(3).integers(-8, 9, (160, 220, 3))
    image = np.empty((160, 220, 3), np.int64)
    image[:] = GROUND
    image[30:80, 120:220] = FENCE
    image[30:80, 40:120] = BODY
    image[LEG_PLACE] = LEG
    return (image + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def body():
    mask = np.zeros((160, 220), bool)
    mask[30:80, 40:120] = True
    return mask


def share(found, place):
    wanted = np.zeros_like(found)
    wanted[place] = True
    return (found & wanted).sum() / (found | wanted).sum()


def test_a_click_on_a_missing_part_adds_that_part(image, body):
    found = cut_around(image, body, Point(67, 92))
    assert not (found & body).any()
    assert share(found, LEG_PLACE) > 0.85


def test_a_click_on_a_part_too_much_takes_that_part_away(image, body):
    body[80:94, 90:110] = True
    found = cut_around(image, body, Point(100, 87))
    assert body[found].all()
    assert share(found, (slice(80, 94), slice(90, 110))) > 0.85
    assert not found[30:76, 40:120].any()


def test_what_looks_alike_is_not_followed_out_of_reach(image, body):
    found = cut_around(image, body, Point(124, 50))
    _, columns = np.nonzero(found)
    assert columns.max() < 124 + 0.1 * np.hypot(160, 220)


def test_it_holds_the_click_in_one_piece_and_draws_no_random_numbers(image, body):
    cv2.setRNGSeed(5)
    expected = cv2.randu(np.zeros((1, 4), np.uint8), 0, 255).tolist()
    cv2.setRNGSeed(5)
    found = cut_around(image, body, Point(67, 92))
    assert cv2.randu(np.zeros((1, 4), np.uint8), 0, 255).tolist() == expected
    assert found[92, 67]
    assert cv2.connectedComponents(found.astype(np.uint8), connectivity=4)[0] == 2
    np.testing.assert_array_equal(found, cut_around(image, body, Point(67, 92)))


@pytest.mark.parametrize("point", [Point(0, 0), Point(219.9, 159.9), Point(80, 50)])
@pytest.mark.parametrize("is_full", [True, False])
def test_corners_and_masks_with_one_side_only(image, point, is_full):
    mask = np.full((160, 220), is_full)
    found = cut_around(image, mask, point)
    assert found[int(point.y), int(point.x)]


def test_a_frame_of_one_pixel():
    found = cut_around(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), bool), Point(0, 0))
    assert found.tolist() == [[True]]
