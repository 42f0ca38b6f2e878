"""The arithmetic around the network, against slow definitions of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from videoseg_detectors.yolox_boxes import decode, letterbox, num_places, suppress

from videoseg.types import Box

SIZE = (64, 96)


def slow_decode(output, size):
    """Return ((x1, y1, x2, y2), score, class) of each place, one place after the other."""
    rows, found = iter(output.tolist()), []
    for stride in (8, 16, 32):
        for row in range(size[0] // stride):
            for column in range(size[1] // stride):
                x, y, log_width, log_height, objectness, *classes = next(rows)
                center_x, center_y = (column + x) * stride, (row + y) * stride
                width, height = math.exp(log_width) * stride, math.exp(log_height) * stride
                best = max(range(len(classes)), key=classes.__getitem__)
                corners = (
                    center_x - width / 2,
                    center_y - height / 2,
                    center_x + width / 2,
                    center_y + height / 2,
                )
                found.append((corners, objectness * classes[best], best))
    assert next(rows, None) is None
    return found


def slow_suppress(boxes, scores, max_overlap):
    """Return indices: take the best box, drop what it covers, and so on."""
    left = [index for index in range(len(boxes)) if scores[index] > 0]
    kept = []
    while left:
        best = max(left, key=lambda index: scores[index])
        kept.append(best)
        left = [
            index
            for index in left
            if index != best and Box(*boxes[best]).iou(Box(*boxes[index])) <= max_overlap
        ]
    return kept


def raw_output(seed=0, num_classes=4):
    rng = np.random.default_rng(seed)
    output = rng.normal(size=(num_places(SIZE), 5 + num_classes)).astype(np.float32)
    output[:, 4:] = rng.uniform(size=output[:, 4:].shape)
    return output


def test_boxes_are_those_of_the_slow_definition():
    output = raw_output()
    boxes = decode(output, SIZE)
    for place, (corners, score, best) in enumerate(slow_decode(output, SIZE)):
        np.testing.assert_allclose(boxes.corners[place], corners, rtol=1e-5, atol=1e-3)
        assert boxes.scores[place] == pytest.approx(score, rel=1e-6)
        assert boxes.classes[place] == best


def test_boxes_in_pixels_are_left_as_they_are():
    output = raw_output()
    decoded = output.copy()
    for place, ((x1, y1, x2, y2), _, _) in enumerate(slow_decode(output, SIZE)):
        decoded[place, :4] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    one, other = decode(output, SIZE), decode(decoded, SIZE, is_decoded=True)
    np.testing.assert_allclose(one.corners, other.corners, rtol=1e-4, atol=1e-2)


@pytest.mark.filterwarnings("error")
def test_sizes_beyond_all_bounds_stay_finite():
    output = raw_output()
    output[:, 2:4] = 1e9
    assert np.isfinite(decode(output, SIZE).corners).all()


def test_the_published_inputs_have_the_published_number_of_places():
    assert (num_places((416, 416)), num_places((640, 640))) == (3549, 8400)


@pytest.mark.parametrize("seed", range(5))
def test_suppression_is_that_of_the_slow_definition(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, size=(80, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, size=(80, 2))], axis=1)
    scores = rng.permutation(80) / 80
    for max_overlap in (0.2, 0.45, 0.9):
        expected = slow_suppress(boxes.tolist(), scores.tolist(), max_overlap)
        assert suppress(boxes, scores, max_overlap=max_overlap) == expected
    assert suppress(np.zeros((0, 4)), np.zeros(0), max_overlap=0.5) == []


def test_a_frame_of_the_input_s_size_is_only_reordered():
    frame = np.random.default_rng(0).integers(0, 256, size=(*SIZE, 3), dtype=np.uint8)
    pixels, scale = letterbox(frame, SIZE)
    assert scale == 1 and pixels.shape == (1, 3, *SIZE) and pixels.dtype == np.float32
    for channel, color in enumerate((2, 1, 0)):
        np.testing.assert_array_equal(pixels[0, channel], frame[..., color])


@pytest.mark.parametrize(
    ("size", "used"), [((32, 96), (32, 96)), ((128, 96), (64, 48)), ((9, 2000), (1, 96))]
)
def test_a_frame_keeps_its_proportions_and_the_rest_is_gray(size, used):
    frame = np.zeros((*size, 3), dtype=np.uint8)
    pixels, scale = letterbox(frame, SIZE)
    rows, columns = used
    assert scale == pytest.approx(min(SIZE[0] / size[0], SIZE[1] / size[1]))
    assert not pixels[..., :rows, :columns].any()
    assert (pixels[..., rows:, :] == 114).all() and (pixels[..., columns:] == 114).all()
