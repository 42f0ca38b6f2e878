"""Choosing by attributes, without a chat model."""

from __future__ import annotations

import pytest
from drawn_tracks import TruthDetector, TruthPropagator
from videoseg_tracks import TrackAttributesGrounder

import videoseg as vs


def make_pipe(clip, **options):
    grounder = TrackAttributesGrounder(
        detector=TruthDetector(clip, masks=True),
        propagator=TruthPropagator(clip),
        measured_frames=8,
        **options,
    )
    return vs.Pipeline("uniform", grounder, "given-masks", segmenter="cut", max_turns=1)


@pytest.fixture
def pipe(clip):
    return make_pipe(clip)


def test_colors_choose_among_exact_tracks(clip, pipe):
    colors = [item.color for item in clip.objects]
    item = next(item for item in clip.objects if colors.count(item.color) == 1)
    result = pipe(clip.video, f"the {item.color} {item.shape}")
    [track] = result.tracks
    assert result.status == "answered"
    assert (track.dense() == clip.masks(item.object_id)).all()


def test_objects_have_the_numbers_of_their_candidates(clip, pipe):
    colors = [item.color for item in clip.objects]
    numbers = set()
    for color in colors:
        if colors.count(color) == 1:
            result = pipe(clip.video, f"the {color} object")
            comparison = result.grounding.comparison
            assert len(comparison.candidates) == len(clip.objects)
            assert [one.number for one in comparison.taken] == list(result.object_ids)
            assert [one.object_id for one in comparison.taken] == list(result.object_ids)
            numbers.update(result.object_ids)
    assert len(numbers) > 1


def test_what_is_not_known_makes_a_guess_and_is_said(clip, pipe):
    result = pipe(clip.video, "the unicorn")
    assert result.status == "guessed"
    assert "unicorn" in result.grounding.unjudged
    assert result.warnings


def missing_color(clip):
    colors = {item.color for item in clip.objects}
    return next(one for one in ("pink", "green", "orange", "purple") if one not in colors)


@pytest.mark.parametrize("has_noun", [True, False])
def test_a_color_that_nothing_has_is_absent(clip, pipe, has_noun):
    noun = clip.objects[0].shape if has_noun else "object"
    result = pipe(clip.video, f"the {missing_color(clip)} {noun}")
    assert (result.status, result.found) == ("absent", False)


def test_nothing_is_absent_where_not_everything_was_followed(clip):
    result = make_pipe(clip, max_tracks=1)(clip.video, f"the {missing_color(clip)} object")
    assert (result.status, result.found) == ("guessed", False)
    assert any("max_tracks=1" in warning for warning in result.warnings)
