"""The reference reasoning keeps to the rules and to the facts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from videoseg_synthetic import DIFFICULTIES, make_clip
from videoseg_synthetic.reference import inner_points

from videoseg.types import Grounding, Look


@pytest.fixture(scope="module")
def pairs():
    clips = [make_clip(seed=k, difficulty=d, size=(120, 160)) for k, d in enumerate(DIFFICULTIES)]
    return [(clip, query) for clip in clips for query in clip.queries]


def test_boxes_are_those_of_the_masks(pairs):
    for clip, query in pairs:
        for prompt in query.grounding.prompts:
            rle = clip.tracks[prompt.object_id - 1].masks[prompt.frame]
            assert rle is not None
            assert prompt.box == rle.box


def test_points_lie_inside_and_negative_points_outside(pairs):
    for clip, query in pairs:
        for prompt in query.grounding.prompts:
            mask = clip.masks(prompt.object_id)[prompt.frame]
            assert prompt.points
            assert prompt.negative_points
            for point in prompt.points:
                assert mask[int(point.y), int(point.x)]
            for point in prompt.negative_points:
                assert not mask[int(point.y), int(point.x)]


def test_inner_points_keep_away_from_the_border_and_from_one_another():
    mask = np.zeros((40, 60), dtype=bool)
    mask[5:35, 4:50] = True
    first, second = inner_points(mask, count=2)
    assert mask[int(first.y) - 12 : int(first.y) + 12, int(first.x) - 12 : int(first.x) + 12].all()
    assert np.hypot(first.x - second.x, first.y - second.y) >= 14


def test_inner_points_of_a_single_pixel():
    mask = np.zeros((4, 4), dtype=bool)
    mask[3, 0] = True
    (point,) = inner_points(mask)
    assert (point.x, point.y) == (0.5, 3.5)


def test_keyframes_show_what_is_meant(pairs):
    for clip, query in pairs:
        assert (query.keyframe is None) == (not query.object_ids)
        for frame in query.keyframes:
            shown = [clip.masks(k)[frame].any() for k in query.object_ids]
            assert any(shown)
        assert {prompt.object_id for prompt in query.grounding.prompts} == set(query.object_ids)


def test_the_last_move_answers_and_only_earlier_ones_look(pairs):
    for _, query in pairs:
        assert isinstance(query.moves[-1], Grounding)
        assert query.moves[-1] == query.grounding
        assert all(isinstance(move, Look) for move in query.moves[:-1])
        assert [turn.action for turn in query.trace.turns][-1] == "answer"


def test_questions_about_time_take_a_look_first(pairs):
    looks = {True: 0, False: 0}
    for _, query in pairs:
        if query.difficulty in ("motion", "time", "relations", "several_steps"):
            looks[len(query.moves) == 2] += 1
    assert looks[True] > 0
    assert looks[False] == 0


def test_each_look_is_granted_in_the_next_turn(pairs):
    for _, query in pairs:
        for move, following in zip(query.moves, query.selections[1:], strict=False):
            assert isinstance(move, Look)
            assert following.window == move.window
            assert following.keyframe == move.keyframe
            assert all(index in move.window for index in following.indices)


def test_each_thought_has_three_dimensions(pairs):
    for _, query in pairs:
        for turn in query.trace.turns:
            thought = turn.thought
            assert thought.temporal
            assert thought.spatial
            assert thought.linguistic
            for part in (thought.temporal, thought.spatial, thought.linguistic):
                assert part in thought.text


def test_numbers_in_the_reasoning_are_those_of_the_clip(pairs):
    checked = 0
    for clip, query in pairs:
        spatial = query.grounding.thought.spatial
        pattern = r"In frame (\d+) .*? spans x (\d+) to (\d+) and y (\d+) to (\d+)"
        found = [tuple(int(n) for n in match) for match in re.findall(pattern, spatial)]
        for prompt, (frame, x1, x2, y1, y2) in zip(query.grounding.prompts, found, strict=True):
            rows, columns = np.nonzero(clip.masks(prompt.object_id)[frame])
            assert (x1, x2) == (columns.min(), columns.max() + 1)
            assert (y1, y2) == (rows.min(), rows.max() + 1)
            checked += 1
        for frame in re.findall(r"first shows in frame (\d+)", query.grounding.thought.temporal):
            assert int(frame) in [item.first_visible for item in clip.objects]
    assert checked > 50


def test_nothing_reads_like_a_numpy_scalar(pairs):
    for _, query in pairs:
        assert "np." not in f"{query.text} {query.trace}"
        assert "np." not in repr(query.window) + repr(query.keyframes) + repr(query.object_ids)
