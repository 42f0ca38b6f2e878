from __future__ import annotations

import numpy as np
import pytest
from videoseg_attributes.vision.guided_filter import guided_filter

from videoseg.errors import ConfigError, ShapeError


@pytest.mark.parametrize("channels", [None, 3])
def test_a_ragged_map_is_drawn_to_the_edge_of_the_guide(channels: int | None) -> None:
    step = np.zeros((40, 60), np.float32)
    step[:, 30:] = 1.0
    ragged = np.zeros_like(step)
    for row in range(40):
        ragged[row, 30 + (row % 5) - 2 :] = 1.0
    guide = step if channels is None else np.stack([step, 1 - step, step * 0.5], axis=2)
    filtered = guided_filter(guide, ragged, radius=4, epsilon=1e-3)
    assert np.count_nonzero((ragged > 0.5) != (step > 0.5)) > 40
    assert np.array_equal(filtered[5:-5] > 0.5, step[5:-5] > 0.5)


def test_a_constant_map_is_kept_under_any_guide() -> None:
    guide = np.random.default_rng(0).random((17, 23, 3), dtype=np.float32)
    filtered = guided_filter(guide, np.full((17, 23), 0.3, np.float32))
    np.testing.assert_allclose(filtered, 0.3, atol=1e-3)


def test_several_maps_are_filtered_as_each_alone() -> None:
    generator = np.random.default_rng(1)
    guide = generator.random((20, 31), dtype=np.float32)
    maps = generator.random((20, 31, 3), dtype=np.float32)
    together = guided_filter(guide, maps, radius=3)
    for index in range(3):
        alone = guided_filter(guide, maps[..., index], radius=3)
        np.testing.assert_array_equal(together[..., index], alone)


def test_a_wider_radius_than_the_image_is_allowed() -> None:
    image = np.full((1, 1), 0.5, np.float32)
    assert guided_filter(image, image, radius=8).shape == (1, 1)


def test_a_guide_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="guide"):
        guided_filter(np.zeros((4, 5), np.float32), np.zeros((5, 4), np.float32))


@pytest.mark.parametrize(("radius", "epsilon"), [(0, 1e-3), (2, 0.0)])
def test_a_filter_without_extent_is_refused(radius: int, epsilon: float) -> None:
    image = np.zeros((4, 4), np.float32)
    with pytest.raises(ConfigError, match="radius"):
        guided_filter(image, image, radius=radius, epsilon=epsilon)
