from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_attributes.vision.optical_flow import (
    FLOW_PRESETS,
    FlowPreset,
    dense_flow,
    flow_confidence,
    resize_flow,
    resize_image,
    shrink_image,
    to_gray,
    warp,
)

from videoseg.errors import ConfigError, ShapeError

from .scenes import texture


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("preset", FLOW_PRESETS)
def test_a_shifted_picture_moves_by_the_shift(preset: FlowPreset, quick: bool) -> None:
    big = texture(140, 200, seed=1)
    first, second = big[10:130, 20:180], big[7:127, 16:176]
    flow = dense_flow(first, second, scale=1.0, preset=preset, quick=quick)
    inner = flow[16:-16, 16:-16]
    assert np.abs(np.median(inner[..., 0]) - 4) < 0.25
    assert np.abs(np.median(inner[..., 1]) - 3) < 0.25


def test_displacements_are_in_pixels_of_the_shrunk_grid() -> None:
    big = texture(140, 200, seed=2)
    first, second = big[10:130, 20:180], big[10:130, 12:172]
    half = dense_flow(first, second, scale=0.5)
    assert half.shape == (60, 80, 2)
    assert np.abs(np.median(half[..., 0]) - 4) < 0.3
    assert np.abs(np.median(resize_flow(half, (120, 160))[..., 0]) - 8) < 0.6


def test_warping_along_the_flow_gives_the_first_frame_back() -> None:
    big = texture(140, 200, seed=3)
    first, second = big[10:130, 20:180], big[8:128, 15:175]
    flow = dense_flow(first, second, scale=1.0)
    back = warp(second.astype(np.float32), flow)
    inner = (slice(12, -12), slice(12, -12))
    unmoved = np.abs(second[inner].astype(float) - first[inner]).mean()
    assert np.abs(back[inner] - first[inner]).mean() < 0.15 * unmoved


def test_flow_is_not_trusted_where_something_is_uncovered() -> None:
    frames = []
    for x in (40, 48):
        frame = texture(120, 180, seed=4).copy()
        frame[20:100, x : x + 80] = texture(80, 80, seed=5)
        frames.append(frame)
    there = dense_flow(frames[0], frames[1], scale=1.0)
    back = dense_flow(frames[1], frames[0], scale=1.0)
    confidence = flow_confidence(there, back)
    covered = confidence[30:90, 121:127].mean()
    still = confidence[104:118, 10:170].mean()
    assert still > 0.9
    assert covered < 0.7 * still


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.sampled_from([0.25, 0.5, 1.0]),
    preset=st.sampled_from(FLOW_PRESETS),
)
def test_any_size_of_frame_has_a_finite_flow(
    height: int, width: int, scale: float, preset: FlowPreset
) -> None:
    generator = np.random.default_rng(height * 100 + width)
    first, second = generator.integers(0, 256, (2, height, width), dtype=np.uint8)
    flow = dense_flow(first, second, scale=scale, preset=preset)
    assert flow.shape == (max(1, round(height * scale)), max(1, round(width * scale)), 2)
    assert np.isfinite(flow).all()
    again = dense_flow(first, second, scale=scale, preset=preset, quick=True)
    assert again.shape == flow.shape
    assert np.isfinite(again).all()
    assert warp(flow, flow).reshape(flow.shape).dtype == np.float32


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="second"):
        dense_flow(np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8))


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5])
def test_a_scale_outside_its_range_is_refused(scale: float) -> None:
    frame = np.zeros((8, 8), np.uint8)
    with pytest.raises(ConfigError, match="scale"):
        dense_flow(frame, frame, scale=scale)


def test_an_unknown_preset_is_refused_by_name() -> None:
    frame = np.zeros((8, 8), np.uint8)
    with pytest.raises(ConfigError, match="ultrafast, fast, fine, balanced, medium"):
        dense_flow(frame, frame, preset="slow")  # type: ignore[arg-type]


def test_gray_of_a_frame_that_is_not_rgb_is_refused() -> None:
    with pytest.raises(ShapeError, match="RGB"):
        to_gray(np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize("source", [(480, 854), (481, 853), (60, 96), (20, 30)])
def test_shrinking_in_blocks_changes_a_picture_little(source: tuple[int, int]) -> None:
    picture = texture(*source, seed=4)
    shrunk = shrink_image(picture, (54, 96))
    assert shrunk.shape == (54, 96)
    change = shrunk.astype(float) - resize_image(picture, (54, 96)).astype(float)
    assert np.abs(change).mean() < 4
