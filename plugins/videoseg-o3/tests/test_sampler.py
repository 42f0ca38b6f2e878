"""The sampler ``coarse``: which frames, how large, in the first view and in looks."""

from __future__ import annotations

import numpy as np
import pytest
from videoseg_o3 import CoarseSampler
from videoseg_o3.sampler import PRESETS

import videoseg as vs
from videoseg.testing import SamplerContract, moving_square


class TestContract(SamplerContract):
    def make(self):
        return CoarseSampler()


class TestContractWithSmallNumbers(SamplerContract):
    def make(self):
        return CoarseSampler(preset="rollout", num_context=2, num_detail=1, num_look=1)


def sample(num_frames, *, window=None, keyframe=None, **options):
    video = moving_square(num_frames, size=(9, 13)).video
    window = window or vs.Window(0, num_frames)
    return CoarseSampler(**options).sample(video, "it", window=window, keyframe=keyframe)


def sizes(selection):
    return {group.role: group.max_pixels / 784 for group in selection.groups}


@pytest.mark.parametrize(
    ("preset", "num_context", "num_detail", "num_look", "units"),
    [
        ("eval", 20, 8, 5, {"context": 32, "detail": 256, "keyframe": 512}),
        ("rollout", 10, 5, 5, {"context": 32, "detail": 128, "keyframe": 256}),
        ("cold-start", 20, 5, 10, {"context": 32, "detail": 128, "keyframe": 512}),
    ],
)
def test_the_presets_have_the_budgets_of_the_released_code(
    preset, num_context, num_detail, num_look, units
):
    first = sample(100, preset=preset)
    look = sample(100, preset=preset, window=vs.Window(20, 80), keyframe=33)
    assert len(first.of_role("context")) == num_context
    assert len(first.of_role("detail")) == num_detail
    assert first.keyframe is None
    assert len(look.of_role("context")) == num_look
    assert look.of_role("detail") == ()
    assert look.keyframe == 33
    assert sizes(first) | sizes(look) == units


def test_the_first_view_of_every_length_is_that_of_the_released_evaluation():
    sampler = CoarseSampler()
    video = moving_square(300, size=(9, 13)).video
    for length in range(1, 301):
        selection = sampler.sample(video, "it", window=vs.Window(0, length))
        for role, count in (("context", 20), ("detail", 8)):
            expected = np.arange(length)
            if length > count:
                expected = np.linspace(0, length - 1, count, dtype=int)
            assert selection.of_role(role) == tuple(expected)


@pytest.mark.parametrize("preset", ["rollout", "cold-start"])
def test_training_shows_one_frame_more_than_its_number_if_that_is_the_whole_video(preset):
    budgets = PRESETS[preset]
    for extra, count in ((1, budgets.num_context + 1), (2, budgets.num_context)):
        selection = sample(budgets.num_context + extra, preset=preset)
        assert len(selection.of_role("context")) == count


def test_a_look_includes_both_ends_of_its_window():
    for start, end in ((0, 0), (3, 7), (3, 8), (10, 49)):
        selection = sample(50, window=vs.Window(start, end + 1), keyframe=end)
        frames = selection.of_role("context")
        expected = np.arange(start, end + 1)
        if end - start + 1 > 5:
            expected = np.linspace(start, end, 5, dtype=int)
        assert frames == tuple(expected)
        assert selection.keyframe == end


def test_a_look_at_one_frame_shows_it_twice():
    selection = sample(50, preset="cold-start", window=vs.Window(7, 8), keyframe=7)
    assert selection.of_role("context") == (7,)
    assert selection.keyframe == 7


def test_a_video_of_one_frame():
    selection = sample(1)
    assert selection.of_role("context") == selection.of_role("detail") == (0,)
    assert sample(1, keyframe=0).indices == (0,)


def test_a_keyframe_outside_the_window_is_shown_where_it_is():
    selection = sample(50, window=vs.Window(10, 20), keyframe=30)
    assert selection.keyframe == 30
    assert selection.of_role("context") == (10, 12, 14, 16, 19)


def test_a_window_that_ends_behind_the_video_is_cut_off():
    assert sample(10, window=vs.Window(4, 99)).indices == tuple(range(4, 10))


def test_every_number_is_an_option():
    options = {
        "num_context": 3,
        "num_detail": 2,
        "num_look": 4,
        "context_pixels": 1000,
        "detail_pixels": 2000,
        "keyframe_pixels": 3000,
    }
    first = sample(50, **options)
    look = sample(50, keyframe=9, **options)
    assert [len(group.indices) for group in first.groups] == [3, 2]
    assert [len(group.indices) for group in look.groups] == [4, 1]
    assert [group.max_pixels for group in (*first.groups, *look.groups)] == [
        1000,
        2000,
        1000,
        3000,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"preset": "test"}, "'eval', 'rollout' or 'cold-start'"), ({"num_look": 0}, ">= 1")],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(vs.ConfigError, match=message):
        CoarseSampler(**options)
