from __future__ import annotations

from dataclasses import replace

from videoseg_attributes.grounding.measured_survey import merge_fragments
from videoseg_attributes.grounding.measurements import measure_candidates

from videoseg.types import Window


def split(survey, *, at: int):
    """Cut the first candidate in two: one piece before a position, one from it on."""
    whole = survey.candidates[0]
    count = len(whole.masks)

    def piece(number: int, kept):
        return replace(
            whole,
            candidate_id=number,
            masks=tuple(whole.masks[i] if kept(i) else None for i in range(count)),
            velocities=tuple(whole.velocities[i] if kept(i) else None for i in range(count)),
            motion=tuple(whole.motion[i] if kept(i) else None for i in range(count)),
        )

    pieces = (piece(0, lambda i: i < at), piece(9, lambda i: i >= at))
    return replace(survey, candidates=(*pieces, *survey.candidates[1:]))


def test_pieces_that_take_turns_are_joined(swan) -> None:
    survey = swan.survey(swan.video, window=Window(0, 40))
    pieces = split(survey, at=10)
    merged = merge_fragments(pieces, measure_candidates(swan.video, pieces))
    (candidate,) = merged.candidates
    assert candidate.masks == survey.candidates[0].masks


def test_things_that_are_there_together_stay_apart(make_scene, thing) -> None:
    scene = make_scene(
        {
            "one": thing("red", 14, lambda t: (0.3, 0.5)),
            "two": thing("red", 14, lambda t: (0.4, 0.5)),
        }
    )
    survey = scene.survey(scene.video, window=Window(0, 40))
    assert merge_fragments(survey, measure_candidates(scene.video, survey)) is survey


def test_what_comes_long_after_is_another_thing(make_scene, thing) -> None:
    scene = make_scene(
        {
            "early": thing("red", 14, lambda t: (0.5, 0.5) if t < 0.3 else None),
            "late": thing("red", 14, lambda t: (0.5, 0.5) if t > 0.7 else None),
        }
    )
    survey = scene.survey(scene.video, window=Window(0, 40))
    assert merge_fragments(survey, measure_candidates(scene.video, survey)) is survey


def test_another_color_is_another_thing(make_scene, thing) -> None:
    scene = make_scene(
        {
            "early": thing("red", 14, lambda t: (0.5, 0.5) if t <= 0.5 else None),
            "late": thing("blue", 14, lambda t: (0.5, 0.5) if t > 0.5 else None),
        }
    )
    survey = scene.survey(scene.video, window=Window(0, 40))
    assert merge_fragments(survey, measure_candidates(scene.video, survey)) is survey
