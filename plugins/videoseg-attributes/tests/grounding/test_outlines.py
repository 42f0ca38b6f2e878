from __future__ import annotations

import numpy as np
import pytest
from videoseg_attributes.grounding.outlines import boundary_contrast


def _scene(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: size[0], : size[1]]
    frame = np.full((*size, 3), 120, np.uint8) + (x % 7)[..., None].astype(np.uint8)
    mask = np.hypot(y - 30, x - 30) < 18
    # Half of the outline is clear.
    frame[mask & (y < 30)] = (200, 60, 60)
    return frame, mask


def test_contrast_does_not_depend_on_what_is_far_away() -> None:
    near, far = (boundary_contrast(*_scene(size)) for size in ((64, 64), (200, 300)))
    assert near == far
    assert near == pytest.approx(0.5, abs=0.1)


def test_nothing_has_no_contrast() -> None:
    assert boundary_contrast(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), bool)) == 0
