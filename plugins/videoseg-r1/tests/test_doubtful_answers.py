"""Answers that end too early, or whose numbers do not fit the space they are read in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scripted_chat import ScriptedChat
from videoseg_r1 import ReasoningGrounder

import videoseg as vs
from videoseg.errors import GroundingParseError
from videoseg.testing import moving_square

SQUARE = vs.Box(16, 24, 32, 36)
ANSWER = '<answer>[{"bbox_2d": [250, 500, 500, 750]}]</answer>'
THOUGHT = "<think>First I look at every frame in turn, the one at"


def ground(*answers, space="per_mille", ends=None, size=(48, 64), **options):
    chat = ScriptedChat.saying(*answers)
    chat.coordinate_space = space
    said = chat.chat
    chat.chat = lambda messages, **how: [
        replace(reply, **(ends or {})) for reply in said(messages, **how)
    ]
    video = moving_square(12, size=size).video
    selection = vs.FrameSelection.of([0, 4, 8], window=vs.Window(0, 12), keyframe=5)
    episode = vs.Episode(video, "the square", selections=(selection,))
    return ReasoningGrounder(chat=chat, **options).step(episode), chat


# -- where an answer ends --------------------------------------------------------------------


def test_an_answer_that_is_cut_off_before_it_says_where_names_max_tokens():
    with pytest.raises(GroundingParseError, match="max_tokens=300, before") as caught:
        ground(THOUGHT, ends={"finish_reason": "length"}, max_tokens=300)
    assert caught.value.raw_text == THOUGHT
    assert "max_tokens=1200" in str(caught.value)


def test_as_many_tokens_as_allowed_are_cut_off_where_nothing_else_is_known():
    with pytest.raises(GroundingParseError, match="max_tokens=8, before"):
        ground(THOUGHT, ends={"num_tokens": 8}, max_tokens=8)
    with pytest.raises(GroundingParseError, match="contains no box"):
        ground(THOUGHT, ends={"num_tokens": 8, "finish_reason": "stop"}, max_tokens=8)


def test_an_answer_that_is_cut_off_while_it_denies_may_have_gone_on_otherwise():
    weighing = "There is no square on the left side. On the right"
    with pytest.raises(GroundingParseError, match="max_tokens"):
        ground(weighing, ends={"finish_reason": "length"})
    grounding, _ = ground(f"<answer>[]</answer> {weighing}", ends={"finish_reason": "length"})
    assert not grounding.found


def test_an_answer_that_is_cut_off_behind_its_objects_is_told():
    grounding, chat = ground(ANSWER, ends={"finish_reason": "length"})
    assert grounding.prompts[0].box == SQUARE
    [warning] = grounding.warnings
    assert "max_tokens=1024" in warning
    assert grounding.thought.details["attempts"][0]["finish_reason"] == "length"
    assert len(chat.calls) == 1


def test_a_refusal_is_repeated_without_control_characters():
    ends = {"finish_reason": "stop", "refusal": "I can\x1b[2Jnot do\nthat."}
    with pytest.raises(GroundingParseError, match=r"refused to answer: .*not do that"):
        ground("", ends=ends)
    with pytest.raises(GroundingParseError) as caught:
        ground("", ends=ends)
    assert "\x1b" not in str(caught.value)


def test_an_answer_that_was_withheld_says_so():
    with pytest.raises(GroundingParseError, match="withheld"):
        ground("", ends={"finish_reason": "content_filter"})
    with pytest.raises(GroundingParseError, match="withheld"):
        ground("There is no square.", ends={"finish_reason": "content_filter"})
    grounding, _ = ground(ANSWER, ends={"finish_reason": "content_filter"})
    assert "withheld" in grounding.warnings[0]


def test_why_nothing_could_be_read_stays_in_the_warning_of_an_empty_answer():
    grounding, _ = ground(THOUGHT, ends={"finish_reason": "length"}, on_parse_error="empty")
    assert "max_tokens" in grounding.warnings[-1]


# -- numbers that do not fit -----------------------------------------------------------------


def test_numbers_that_fit_are_not_doubted():
    for space, box in (
        ("per_mille", "[0, 0, 1000, 1000]"),
        ("unit", "[0, 0, 1, 1.0]"),
        ("pixels_of_resized", "[0, 0, 64, 48]"),
        ("square(840)", "[0, 0, 840, 840]"),
    ):
        grounding, _ = ground(f'[{{"bbox_2d": {box}}}]', space=space)
        assert grounding.warnings == ()


@pytest.mark.parametrize(
    ("space", "box", "number", "fits"),
    [
        ("per_mille", "[900, 300, 1500, 500]", "1500", "pixels_of_resized"),
        ("per_mille", "[250, 500, 1001, 750]", "1001", "pixels_of_resized"),
        ("unit", "[0.25, 0.5, 500, 750]", "500, 750", "per_mille"),
        ("pixels_of_resized", "[16, 24, 500, 750]", "500, 750", "per_mille"),
        ("pixels_of_resized", "[24, 16, 36, 62]", "62", "pixels_of_resized_yx"),
        ("square(840)", "[250, 500, 900, 750]", "900", "per_mille"),
    ],
)
def test_numbers_outside_the_space_are_named_with_a_space_they_fit(space, box, number, fits):
    grounding, _ = ground(f'[{{"bbox_2d": {box}}}]', space=space)
    [warning] = grounding.warnings
    assert space in warning
    assert f": {number};" in warning
    assert f"coordinates={fits!r}" in warning
    assert grounding.found


def test_numbers_below_zero_are_named_and_cut():
    grounding, _ = ground('[{"bbox_2d": [-100, 500, 500, 750]}]')
    assert grounding.prompts[0].box == vs.Box(0, 24, 32, 36)
    assert "-100" in grounding.warnings[0]


@pytest.mark.parametrize("space", ["per_mille", "pixels_of_resized", "square(840)"])
@pytest.mark.parametrize("found", ['{"bbox_2d": [0.1, 0.2, 0.5, 0.6]}', "It is at (0.25, 0.5)."])
def test_shares_in_a_space_of_larger_numbers_are_suspected(space, found):
    grounding, _ = ground(found, space=space)
    [warning] = [warning for warning in grounding.warnings if "fractions" in warning]
    assert space in warning
    assert "coordinates='unit'" in warning


def test_only_objects_outside_name_the_numbers():
    with pytest.raises(GroundingParseError, match=r"1500, 1600; .*'pixels_of_resized'"):
        ground('[{"bbox_2d": [1500, 1500, 1600, 1600]}]')


def test_objects_outside_are_not_called_cut_off():
    with pytest.raises(GroundingParseError, match="outside the frame"):
        ground('[{"bbox_2d": [1500, 1500, 1600, 1600]}]', ends={"finish_reason": "length"})


# -- y first, and answers that name their own space ------------------------------------------


@pytest.mark.parametrize(
    ("space", "box"),
    [
        ("per_mille_yx", "[500, 250, 750, 500]"),
        ("unit_yx", "[0.5, 0.25, 0.75, 0.5]"),
        ("pixels_of_resized_yx", "[24, 16, 36, 32]"),
        ("square(840)_yx", "[420, 210, 630, 420]"),
    ],
)
def test_y_may_come_first_in_every_space(space, box):
    answer = f'[{{"box_2d": {box}}}]'
    for said, set_to in ((space, "auto"), ("per_mille", space)):
        grounding, _ = ground(answer, space=said, coordinates=set_to)
        assert grounding.prompts[0].box == SQUARE
        assert grounding.warnings == ()
        assert grounding.thought.details["coordinate_space"] == space


@pytest.mark.parametrize(
    ("space", "box", "fits"),
    [
        ("per_mille_yx", "[300, 900, 500, 1500]", "pixels_of_resized_yx"),
        ("pixels_of_resized_yx", "[16, 24, 62, 36]", "pixels_of_resized"),
        ("per_mille_yx", "[0.5, 0.25, 0.75, 0.5]", "unit_yx"),
    ],
)
def test_a_space_that_fits_keeps_the_order_of_the_numbers(space, box, fits):
    grounding, _ = ground(f'[{{"box_2d": {box}}}]', space=space)
    assert f"coordinates={fits!r}" in grounding.warnings[0]


def test_what_a_key_says_goes_before_the_space_of_the_model():
    answer = '[{"bbox_normalized": [0.25, 0.5, 0.5, 0.75]}]'
    grounding, _ = ground(answer)
    assert grounding.prompts[0].box == SQUARE
    assert "unit" in grounding.warnings[0]
    grounding, _ = ground(answer, space=None)
    assert grounding.prompts[0].box == SQUARE
    assert grounding.warnings == ()


def test_pixels_that_a_key_names_are_those_that_the_model_saw():
    grounding, _ = ground('[{"bbox_pixels": [16, 24, 32, 36]}]')
    assert grounding.prompts[0].box == SQUARE
    assert "pixels_of_resized" in grounding.warnings[0]
    grounding, _ = ground('[{"bbox_pixels": [250, 500, 500, 750]}]', ends={"image_sizes": ()})
    assert grounding.prompts[0].box == SQUARE
    assert "pixels" in grounding.warnings[0]


def test_a_space_that_there_is_not_is_refused_before_the_model_is_asked():
    with pytest.raises(vs.ConfigError, match="per_mille_yx"):
        ReasoningGrounder(chat=ScriptedChat.saying(ANSWER), coordinates="yx")


@pytest.mark.parametrize(
    ("first", "second", "is_doubtful"),
    [
        ({"time": 0.0}, {"time": 1.0}, True),
        ({"frame": 3}, {"frame": "4"}, True),
        ({"label": "frame_1"}, {"label": "frame_2"}, True),
        ({"time": 1.0}, {"time": 1.0}, False),
        ({"label": "picture on the left"}, {"label": "picture on the right"}, False),
    ],
)
def test_places_on_several_frames_are_told(first, second, is_doubtful):
    places = [{"bbox_2d": [0, 0, 90, 90], **first}, {"bbox_2d": [100, 0, 190, 90], **second}]
    grounding, _ = ground(json.dumps(places))
    assert len(grounding.prompts) == 2
    assert [("on several frames" in warning) for warning in grounding.warnings] == [
        True
    ] * is_doubtful


def test_one_box_sixty_times_is_prompted_once():
    grounding, _ = ground("[" + '{"bbox_2d": [250, 500, 500, 750]}, ' * 60)
    assert [prompt.box for prompt in grounding.prompts] == [SQUARE]
    assert "earlier ones: 59" in grounding.warnings[0]


def test_no_dog_is_not_in_this_video_and_asked_only_once():
    grounding, chat = ground("<think>Hm.</think><answer>There is no dog.</answer>")
    assert not grounding.found
    assert len(chat.calls) == 1
