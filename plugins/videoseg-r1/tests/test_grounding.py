from __future__ import annotations

import json
import os
import re

import pytest
from scripted_chat import ScriptedChat
from videoseg_r1 import ReasoningGrounder, load_prompt, rate_difficulty, token_budget
from videoseg_r1.budget import AXES, Difficulty, parse_difficulty

import videoseg as vs
from videoseg.errors import GroundingParseError
from videoseg.testing import GrounderContract, moving_square
from videoseg.types import FrameGroup

ANSWER = (
    '<think>It moves.</think><answer>[{"bbox_2d": [250, 500, 500, 750], '
    '"point_2d": [375, 625], "neg_point_2d": [510, 600]}]</answer>'
)


def episode(video=None, *, keyframe=5, query="the square", **options) -> vs.Episode:
    video = video or moving_square(12, size=(48, 64)).video
    window = vs.Window(0, len(video))
    selection = vs.FrameSelection.of([0, 4, 8], window=window, keyframe=keyframe)
    return vs.Episode(video, query, selections=(selection,), **options)


def ground(*answers, coordinate_space="per_mille", **options):
    chat = ScriptedChat.saying(*answers)
    chat.coordinate_space = coordinate_space
    return ReasoningGrounder(chat=chat, **options).step(episode()), chat


class TestContract(GrounderContract):
    def make(self):
        return ReasoningGrounder(chat=ScriptedChat.saying(ANSWER))


class TestContractWithGarbage(GrounderContract):
    def make(self):
        return ReasoningGrounder(chat=ScriptedChat.saying("what?"), on_parse_error="empty")


def test_box_points_and_negative_points_come_back_in_pixels_of_the_source():
    grounding, _ = ground(ANSWER)
    [prompt] = grounding.prompts
    assert prompt.box == vs.Box(16, 24, 32, 36)
    assert prompt.points == (vs.Point(24, 30),)
    [negative] = prompt.negative_points
    assert (negative.x, negative.y) == pytest.approx((32.64, 28.8))
    assert (prompt.frame, grounding.keyframe) == (5, 5)
    assert grounding.thought.text == "It moves."


@pytest.mark.parametrize(
    ("space", "box"),
    [("unit", "[0.25, 0.5, 0.5, 0.75]"), ("square(840)", "[210, 420, 420, 630]"),
     ("pixels_of_resized", "[16, 24, 32, 36]")],
)  # fmt: skip
def test_every_coordinate_space_names_the_same_place(space, box):
    grounding, _ = ground(f'[{{"bbox_2d": {box}}}]', coordinate_space=space)
    assert grounding.prompts[0].box == vs.Box(16, 24, 32, 36)
    overruled, _ = ground(f'[{{"bbox_2d": {box}}}]', coordinates=space)
    assert overruled.prompts[0].box == vs.Box(16, 24, 32, 36)
    assert overruled.thought.details["coordinate_space"] == space


def test_a_model_that_does_not_say_its_space_is_refused_with_the_way_out():
    with pytest.raises(vs.ConfigError, match="coordinates='per_mille'"):
        ground(ANSWER, coordinate_space=None)


def test_context_is_shown_in_order_and_the_target_last_and_largest():
    video = moving_square(12).video
    groups = (
        FrameGroup("detail", (9, 3), 2000),
        FrameGroup("context", (0, 11), 1000),
        FrameGroup("keyframe", (6,), 4000),
    )
    selection = vs.FrameSelection(groups, vs.Window(0, 12), details={"warnings": ["careful"]})
    chat = ScriptedChat.saying(ANSWER)
    grounding = ReasoningGrounder(chat=chat).step(vs.Episode(video, "it", selections=(selection,)))
    [call] = chat.calls
    assert call.frames == [0, 3, 9, 11, 6]
    assert [image.max_pixels for image in call.images] == [1000, 2000, 2000, 1000, 4000]
    assert call.texts[0] == f"<{video.time_of(0):.1f} seconds>"
    assert call.texts[4] == "TARGET FRAME"
    assert '"it"' in call.texts[-1]
    assert grounding.warnings == ("careful",)


def test_without_a_keyframe_the_middle_frame_shown_is_the_target():
    chat = ScriptedChat.saying(ANSWER)
    grounding = ReasoningGrounder(chat=chat).step(episode(keyframe=None))
    assert grounding.keyframe == 4
    assert chat.calls[0].frames == [0, 8, 4]


def test_several_objects_have_ids_labels_and_their_own_negative_points():
    answer = json.dumps(
        [
            {"bbox_2d": [0, 0, 100, 100], "neg_point_2d": [200, 50], "label": "left"},
            {"bbox_2d": [500, 500, 900, 900]},
        ]
    )
    grounding, _ = ground(answer)
    first, second = grounding.prompts
    assert (first.object_id, second.object_id) == (1, 2)
    assert (first.label, second.label) == ("left", "")
    assert len(first.negative_points) == 1
    assert not second.negative_points


def test_a_missing_point_is_the_centre_of_the_box_and_no_negative_is_invented():
    grounding, _ = ground('[{"bbox_2d": [250, 500, 500, 750]}]')
    [prompt] = grounding.prompts
    assert prompt.points == (vs.Point(24, 30),)
    assert not prompt.negative_points


def test_a_point_in_running_text_is_a_prompt_without_a_box_and_a_warning():
    grounding, chat = ground("<think>Not (1, 2).</think> It is at (375, 625).")
    [prompt] = grounding.prompts
    assert (prompt.box, prompt.points) == (None, (vs.Point(24, 30),))
    assert "no readable box" in grounding.warnings[0]
    assert len(chat.calls) == 1


@pytest.mark.parametrize("use_box", [True, False])
@pytest.mark.parametrize("use_point", [True, False])
@pytest.mark.parametrize("use_negative", [True, False])
def test_every_part_of_the_prompt_can_be_left_out(use_box, use_point, use_negative):
    options = {"use_box": use_box, "use_point": use_point, "use_negative": use_negative}
    if not (use_box or use_point):
        with pytest.raises(vs.ConfigError, match="cannot both be off"):
            ground(ANSWER, **options)
        return
    [prompt] = ground(ANSWER, **options)[0].prompts
    assert (prompt.box is not None, bool(prompt.points)) == (use_box, use_point)
    assert bool(prompt.negative_points) == use_negative


def test_boxes_are_cut_at_the_border_and_what_lies_outside_is_left_out():
    answer = '[{"bbox_2d": [900, 900, 1100, 1200]}, {"bbox_2d": [1500, 1500, 1600, 1600]}]'
    grounding, _ = ground(answer)
    [prompt] = grounding.prompts
    assert prompt.box == vs.Box(57.6, 43.2, 64, 48)
    assert "outside the frame" in grounding.warnings[0]


def test_only_objects_outside_hint_at_another_coordinate_space():
    with pytest.raises(GroundingParseError, match="try another 'coordinates'"):
        ground('[{"bbox_2d": [1500, 1500, 1600, 1600]}]')


def test_objects_outside_are_asked_for_once_more_and_then_up_to_the_policy():
    outside = '[{"bbox_2d": [1500, 1500, 1600, 1600]}]'
    grounding, chat = ground(outside, ANSWER)
    assert grounding.found
    assert len(chat.calls) == 2
    grounding, _ = ground(outside, on_parse_error="empty")
    assert not grounding.found


def test_nothing_is_not_in_this_video():
    grounding, chat = ground("<think>No.</think><answer>[]</answer>")
    assert not grounding.found
    assert grounding.keyframe is None
    assert grounding.thought.text == "No."
    assert len(chat.calls) == 1


def test_an_unreadable_answer_is_asked_for_once_more_with_sampling():
    grounding, chat = ground("what?", ANSWER)
    assert grounding.found
    assert [call.temperature for call in chat.calls] == [0.0, 0.7]
    attempts = grounding.thought.details["attempts"]
    assert [attempt["raw"] for attempt in attempts] == ["what?", ANSWER]


def test_twice_unreadable_is_an_error_with_the_raw_text():
    with pytest.raises(GroundingParseError) as caught:
        ground("what?", "still what?")
    assert caught.value.raw_text == "still what?"


def test_twice_unreadable_may_be_taken_for_nothing():
    grounding, _ = ground("what?", on_parse_error="empty")
    assert not grounding.found
    assert grounding.status == "guessed"
    assert "nothing is segmented, which is a guess" in grounding.warnings[-1]
    assert len(grounding.thought.details["attempts"]) == 2


# -- how long to think -------------------------------------------------------------------


def rating(value: int) -> str:
    return json.dumps(dict.fromkeys(AXES, value))


@pytest.mark.parametrize(("value", "tokens"), [(1, 40), (4, 40), (5, 60), (7, 90), (10, 90)])
def test_harder_tasks_may_think_longer(value, tokens):
    grounding, chat = ground(rating(value), ANSWER, thinking_budget="difficulty")
    details = grounding.thought.details
    assert details["thinking_budget"] == tokens
    assert details["difficulty"]["mean"] == value
    assert details["difficulty"]["replies"] == [rating(value)] * 3
    assert f"under {tokens} tokens" in chat.calls[-1].texts[-1]
    assert 0 < details["num_thinking_tokens"] <= grounding.thought.num_tokens


def test_a_number_of_tokens_needs_no_rating():
    grounding, chat = ground(ANSWER, thinking_budget=25)
    assert len(chat.calls) == 1
    assert grounding.thought.details["thinking_budget"] == 25


def test_without_a_budget_the_prompt_names_none():
    _, chat = ground(ANSWER)
    assert "tokens" not in chat.calls[0].texts[-1]


def test_ratings_are_medians_and_bad_ones_are_asked_for_again():
    prompt = load_prompt("difficulty")
    chat = ScriptedChat.saying("?", [rating(2), rating(9), rating(3)])
    difficulty = rate_difficulty(chat, prompt, [], "it")
    assert difficulty.mean == 3
    assert len(chat.calls) == 2
    unrated = rate_difficulty(ScriptedChat.saying("?"), prompt, [], "it")
    assert (unrated.rated, unrated.mean, token_budget(unrated)) == (False, 5, 60)


@pytest.mark.parametrize(
    "written",
    [
        "4",
        "4/10",
        "4 / 10",
        "4 out of 10",
        "medium: 4",
        "4 (clutter)",
        "four",
        "Four.",
        "medium: four",
    ],
)
def test_ratings_written_as_text_are_read(written):
    rated = dict.fromkeys(AXES, 4)
    assert parse_difficulty(json.dumps(dict.fromkeys(AXES, written))) == rated
    assert parse_difficulty(json.dumps([written] * len(AXES))) == rated
    spaced = {axis.replace("_", " ").title(): written for axis in AXES}
    assert parse_difficulty(json.dumps(spaced)) == rated
    assert parse_difficulty("\n".join(f"- **{axis}**: {written}" for axis in AXES)) == rated


def test_ratings_are_read_from_json_that_is_none():
    unquoted = "{" + ", ".join(f'"{axis}": {n}/10' for n, axis in enumerate(AXES, 1)) + "}"
    assert parse_difficulty(unquoted) == dict(zip(AXES, range(1, 6), strict=True))
    assert parse_difficulty("[1/10, 2/10, 3/10, 4/10, 5/10]") == parse_difficulty(unquoted)


@pytest.mark.parametrize(
    "written",
    [
        "11",
        "0",
        "-3",
        "4/5",
        "4 of 5",
        "high",
        "one of many",
        "",
        "11/10",
        "between 3 and 6",
        "9" * 400,
        "nan",
    ],
)
def test_ratings_that_are_not_on_the_scale_are_none(written):
    ratings = dict.fromkeys(AXES, 4) | {AXES[1]: written}
    assert parse_difficulty(json.dumps(ratings)) is None
    assert parse_difficulty("\n".join(f"{axis}: {v}" for axis, v in ratings.items())) is None


def test_levels_meet_at_four_and_seven():
    levels = [Difficulty(dict.fromkeys(AXES, value)).level for value in (4, 4.1, 6.9, 7)]
    assert levels == ["easy", "medium", "medium", "hard"]


# -- prompts and options -----------------------------------------------------------------


def test_a_prompt_of_ones_own(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text('Find {query}. Answer like {"bbox_2d": []}.')
    grounding, chat = ground(ANSWER, prompt=str(path))
    assert chat.calls[0].texts[-1] == 'Find the square. Answer like {"bbox_2d": []}.'
    assert grounding.thought.details["prompt"] == str(path)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package with prompts, which must not be imported."""
    folder = tmp_path / "own_prompts"
    (folder / "texts").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('it was imported')")
    (folder / "texts" / "ground.txt").write_text("Find {query}.")
    (tmp_path / "secret.txt").write_text("{query}")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_prompts"


@pytest.mark.parametrize("place", ["texts", "texts/ground.txt"])
def test_a_prompt_of_an_installed_package_has_the_same_name_on_every_machine(package, place):
    grounding, chat = ground(ANSWER, prompt=f"{package}:{place}")
    assert chat.calls[0].texts[-1] == "Find the square."
    assert grounding.thought.details["prompt"] == "own_prompts:texts/ground.txt"


def test_a_path_that_exists_comes_before_a_package(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("exp:1", f"{package}:texts"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ground.txt").write_text("Look for {query}.")
    for place in ("exp:1/ground.txt", "exp:1", f"{package}:texts", f"{package}:texts/ground.txt"):
        grounding, chat = ground(ANSWER, prompt=place)
        assert chat.calls[0].texts[-1] == "Look for the square."
        assert grounding.thought.details["prompt"].removesuffix("/ground.txt") in place


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("own_prompts:other.txt", "No such file"),
        ("own_prompts:../secret.txt", "leads out of the package"),
        ("own_prompts:/secret.txt", "leads out of the package"),
        ("not_installed:a.txt", "'not_installed' is not installed"),
        ("json.tool:a.txt", "No such file"),
    ],
)
def test_a_prompt_that_no_package_has_is_refused(package, place, problem):
    with pytest.raises(vs.ConfigError, match=rf"{re.escape(place)}.*{problem}.*PACKAGE:PATH"):
        ground(ANSWER, prompt=place)


def test_the_prompt_used_is_named_and_the_question_kept_as_it_was_asked():
    for answers, budget in (((ANSWER,), "none"), ((ANSWER,), 25), (("what?",), 25)):
        grounding, chat = ground(*answers, thinking_budget=budget, on_parse_error="empty")
        details = grounding.thought.details
        assert details["prompt"] == "ground.v1"
        assert details["question"] == chat.calls[-1].texts[-1]
        assert details.get("thinking_budget", "none") == budget


def test_a_budget_needs_a_place_in_the_prompt(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Find {query}.")
    with pytest.raises(vs.ConfigError, match=r"write \{budget\}"):
        ground(ANSWER, prompt=str(path), thinking_budget=25)
    path.write_text("Find {query}.{budget}")
    _, chat = ground(ANSWER, prompt=str(path), thinking_budget=25)
    assert "under 25 tokens" in chat.calls[0].texts[-1]


def test_a_prompt_without_a_place_for_the_query_is_refused(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Find it.")
    for prompt in (str(path), "v99", str(tmp_path / "missing.txt")):
        with pytest.raises(vs.ConfigError, match="prompt"):
            ground(ANSWER, prompt=prompt)


def test_the_path_of_a_prompt_may_begin_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.txt").write_text("Find {query}.")
    assert load_prompt("ground", "~/mine.txt").text == "Find {query}."
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ground.txt").write_text("Where is {query}?")
    assert load_prompt("ground", "~/prompts").text == "Where is {query}?"


def test_a_prompt_of_ones_own_may_speak_before_the_frames(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Find {query}.\n{frames}\nWhere is {query}?")
    grounding, chat = ground(ANSWER, prompt=str(path))
    [call] = chat.calls
    assert call.texts[0] == "Find the square.\n"
    assert call.texts[-1] == "Where is the square?"
    assert call.frames == [0, 4, 8, 5]
    assert "Find the square." in grounding.thought.details["question"]


def test_a_query_does_not_move_the_frames(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("{frames} Where is {query}?")
    chat = ScriptedChat.saying(ANSWER)
    ReasoningGrounder(chat=chat, prompt=str(path)).step(episode(query="{frames} {budget}"))
    assert chat.calls[0].texts[-1] == "Where is {frames} {budget}?"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_prompt_that_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(vs.ConfigError, match="named pipe"):
        load_prompt("ground", str(tmp_path / "pipe"))


@pytest.mark.parametrize("version", [3, None, "x" * 9000, "a\0b"])
def test_a_version_that_is_no_path_is_refused_in_one_short_line(version):
    with pytest.raises(vs.ConfigError, match="give a version") as caught:
        load_prompt("ground", version)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {"thinking_budget": 0},
        {"thinking_budget": "long"},
        {"thinking_budget": True},
        {"on_parse_error": "ignore"},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(vs.ConfigError):
        ground(ANSWER, **options)
