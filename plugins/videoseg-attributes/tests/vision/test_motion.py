from __future__ import annotations

import cv2
import numpy as np
import pytest
from videoseg_attributes.vision.motion import (
    camera_flow,
    fit_camera_motion,
    motion_around,
    motion_strength,
    motion_support,
    remove_scenery_motion,
    residual_motion,
    smooth_along_flow,
)
from videoseg_attributes.vision.optical_flow import dense_flow

from videoseg.video import Video

from .scenes import color_texture, texture


def test_the_camera_is_found_though_a_third_of_the_frame_moves_otherwise() -> None:
    camera = np.array([[1.02, 0.01, 2.0], [-0.01, 1.01, -1.5], [1e-5, 0, 1.0]])
    flow = camera_flow(camera, (90, 160))
    flow[20:80, 40:115] += np.float32(5.0)
    fitted = fit_camera_motion(flow)
    residual = residual_motion(flow, fitted)
    length = np.hypot(residual[..., 0], residual[..., 1])
    moving = np.zeros((90, 160), bool)
    moving[20:80, 40:115] = True
    assert length[~moving].max() < 0.3
    assert np.abs(length[moving] - np.hypot(5, 5)).max() < 0.5


def test_the_same_flow_gives_the_same_camera() -> None:
    flow = np.random.default_rng(0).normal(size=(60, 80, 2)).astype(np.float32)
    np.testing.assert_array_equal(fit_camera_motion(flow), fit_camera_motion(flow))


def _street(*, depth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A distance that pans, ground nearby that moves further, and a thing that stays in view."""
    height, width = 90, 160
    flow = np.zeros((height, width, 2), np.float32)
    flow[..., 0] = 4.0
    near = np.zeros((height, width), bool)
    near[56:] = True
    flow[56:, :, 0] += 0.5 + depth * np.linspace(0, 1, 34, dtype=np.float32)[:, None]
    thing = np.zeros((height, width), bool)
    thing[30:70, 64:94] = True
    flow[thing] = (0.3, 0.0)
    noise = np.random.default_rng(0).normal(0, 0.05, flow.shape)
    return (flow + noise).astype(np.float32), near & ~thing, thing


def test_ground_nearby_does_not_move_more_than_the_thing_on_it() -> None:
    flow, ground, thing = _street(depth=6.0)
    one = residual_motion(flow, fit_camera_motion(flow))
    two = remove_scenery_motion(flow)
    lengths = [np.hypot(field[..., 0], field[..., 1]) for field in (one, two)]
    assert lengths[0][ground].mean() > 3
    assert lengths[1][ground].mean() < 0.5
    assert lengths[1][thing].mean() > 3


def test_what_fills_the_middle_is_not_taken_for_the_camera() -> None:
    flow = np.random.default_rng(0).normal(0, 0.05, (90, 160, 2)).astype(np.float32)
    flow[..., 0] += 3.0
    thing = np.zeros((90, 160), bool)
    thing[6:84, 12:148] = True
    flow[thing, 0] -= 5.0
    residual = remove_scenery_motion(flow)
    length = np.hypot(residual[..., 0], residual[..., 1])
    assert length[thing].mean() > 4
    assert length[~thing].mean() < 0.5


def test_a_second_thing_that_moves_is_no_scenery() -> None:
    flow = np.zeros((90, 160, 2), np.float32)
    things = np.zeros((90, 160), bool)
    things[20:70, 20:60] = things[50:, 110:140] = True  # the other one is cut by the border
    flow[20:70, 20:60] = (4.0, 0.0)
    flow[50:, 110:140] = (0.0, 3.0)
    residual = remove_scenery_motion(flow)
    length = np.hypot(residual[..., 0], residual[..., 1])
    assert length[things].min() > 2.5
    assert length[~things].max() < 0.5


def test_flow_that_spreads_over_flat_ground_has_no_support() -> None:
    thing = texture(30, 40, seed=3)
    frames = [np.full((80, 120), 120, np.uint8) for _ in range(2)]
    for step, frame in enumerate(frames):
        frame[20:50, 30 + 4 * step : 70 + 4 * step] = thing
    flow = np.zeros((80, 120, 2), np.float32)
    flow[15:75, 30:70] = (4.0, 0.0)  # it runs on below the thing
    support = motion_support(frames[0], frames[1], flow, residual=flow)
    assert support[26:44, 40:62].mean() > 0.8
    assert support[58:74, 34:66].max() == 0
    assert support[:, 100:].max() == 0


def test_motion_around_a_frame_tells_how_far_the_picture_shows_it() -> None:
    ground = color_texture(120, 200, seed=2)
    ground[60:] = (150, 135, 105)
    frames = np.stack([ground] * 3)
    for index in range(3):
        left = 60 + 5 * index
        frames[index, 70:100, left : left + 50] = color_texture(30, 50, seed=3)
    evidence = motion_around(Video.from_frames(frames), 1)
    assert len(evidence.residuals) == len(evidence.supports) == 2
    for support in evidence.supports:
        assert support.shape == evidence.residuals[0].shape[:2]
        assert support[75:95, 70:110].mean() > 0.8
        assert support[110:].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 3), (8, 8)])
def test_a_tiny_frame_has_scenery_too(size: tuple[int, int]) -> None:
    residual = remove_scenery_motion(np.zeros((*size, 2), np.float32))
    np.testing.assert_allclose(residual, 0, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 3), (8, 8)])
def test_a_tiny_frame_has_a_camera_frame_has_a_camera_too(size: tuple[int, int]) -> None:
    camera = fit_camera_motion(np.zeros((*size, 2), np.float32))
    np.testing.assert_allclose(
        residual_motion(np.zeros((*size, 2), np.float32), camera), 0, atol=1e-9
    )


def test_a_panning_camera_does_not_hide_what_moves_by_itself() -> None:
    background = texture(140, 260, seed=1)
    frames = []
    for step in range(2):
        frame = background[10:130, 20 + 4 * step : 220 + 4 * step].copy()
        frame[40:80, 80 + 3 * step : 130 + 3 * step] = texture(40, 50, seed=2)
        frames.append(frame)
    flow = dense_flow(frames[1], frames[0], scale=1.0)
    strength = motion_strength(residual_motion(flow, fit_camera_motion(flow)))
    assert strength[48:72, 92:122].mean() > 0.6
    assert strength[90:110, 20:180].mean() < 0.1


def test_what_is_seen_to_move_on_one_side_only_does_not_count() -> None:
    one_sided = np.zeros((40, 40, 2), np.float32)
    one_sided[:10, :10] = 4.0
    both = one_sided.copy()
    both[20:30, 20:30] = 4.0
    one_sided[20:30, 20:30] = 4.0
    both[:10, :10] = 0.0
    strength = motion_strength(one_sided, both)
    assert strength[:10, :10].max() == 0
    assert strength[20:30, 20:30].min() > 0.9


def test_noise_in_a_still_scene_stays_weak() -> None:
    noise = np.random.default_rng(3).normal(scale=0.02, size=(60, 80, 2)).astype(np.float32)
    assert motion_strength(noise).mean() < 0.2


def test_smoothing_follows_a_moving_spot() -> None:
    def spot(x: int) -> np.ndarray:
        image = np.zeros((40, 80), np.float32)
        cv2.circle(image, (x, 20), 6, 1.0, -1)
        return image

    to_previous = np.zeros((40, 80, 2), np.float32)
    to_previous[..., 0] = -10
    smoothed = smooth_along_flow(np.zeros((40, 80), np.float32), spot(30), to_previous, keep=0.6)
    np.testing.assert_allclose(smoothed, 0.6 * spot(40), atol=1e-5)


def test_untrusted_flow_brings_nothing_along() -> None:
    current = np.full((10, 10), 0.2, np.float32)
    still = np.zeros((10, 10, 2), np.float32)
    smoothed = smooth_along_flow(
        current, np.ones_like(current), still, confidence=np.zeros_like(current)
    )
    np.testing.assert_array_equal(smoothed, current)
