from __future__ import annotations

import cv2
import numpy as np
from videoseg_attributes.regions.components import find_components


def test_components_are_those_of_opencv_with_areas_and_boxes() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 90)).astype(np.float32)
    binary = (cv2.GaussianBlur(noise, (0, 0), 2.0) > 0.05).astype(np.uint8)
    num, labels, stats, _ = cv2.connectedComponentsWithStats(binary)
    found = find_components(binary)
    assert num > 5
    assert np.array_equal(found.labels, labels)
    assert found.areas[0] == 0
    assert found.areas[1:].tolist() == stats[1:, cv2.CC_STAT_AREA].tolist()
    for label in range(1, num):
        assert found.box_of(label) == tuple(stats[label, :4])


def test_an_image_without_anything_has_no_components() -> None:
    assert find_components(np.zeros((1, 1), np.uint8)).areas.tolist() == [0]
