"""Rounds of true, false and unknown: what is asked, when they end, and what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
from drawn_tracks import TruthDetector, choosing, is_round, numbers_shown
from scripted_chat import ScriptedChat

import videoseg as vs
from videoseg.errors import ContextLengthError, GroundingParseError
from videoseg.metrics import boundary_f, region_j
from videoseg.types import ChatReply


def rounds_of(chat):
    return [call for call in chat.calls if is_round(call)]


def test_right_answers_lose_nothing(clip, number_of, pipeline_of):
    for query in clip.queries[:6]:
        meant = {number_of[one] for one in query.object_ids}
        chat = choosing(
            ["thing"],
            lambda ids, _, meant=meant: {
                "true": [one for one in ids if one in meant],
                "false": [one for one in ids if one not in meant],
            },
        )
        result = pipeline_of(chat)(clip.video, query.text)
        truth = clip.answer_masks(query)
        if not query.object_ids:
            assert result.status == "absent"
            continue
        assert result.status == "answered"
        union = np.any([track.dense() for track in result.tracks], axis=0)
        score = (region_j(union, truth).mean() + boundary_f(union, truth).mean()) / 2
        assert score > 0.99, query.text


def test_masks_of_the_answer_are_those_of_the_tracks_under_their_numbers(
    clip, number_of, pipeline_of
):
    chat = choosing(
        ["thing"], lambda ids, _: {"true": [2], "false": [one for one in ids if one != 2]}
    )
    result = pipeline_of(chat)(clip.video, "that one")
    [track] = result.tracks
    [object_id] = [one for one, number in number_of.items() if number == 2]
    assert track.object_id == 2
    # The detector is sure of the name, which says nothing of the query.
    assert {prompt.score for prompt in result.grounding.prompts} == {None}
    assert (track.dense() == clip.masks(object_id)).all()
    [turn] = result.trace.turns
    assert [one["id"] for one in turn.thought.details["tracks"]] == [1, 2, 3, 4]
    comparison = result.grounding.comparison
    assert {one.number: (one.object_id, one.verdict) for one in comparison.candidates} == {
        2: (2, "chosen"),
        **dict.fromkeys((1, 3, 4), (None, "judged not to be meant")),
    }


def test_only_what_is_unknown_is_shown_again(clip, pipeline_of):
    chat = choosing(
        ["thing"],
        lambda ids, r: (
            {"true": [1], "false": [2], "unknown": [3, 4]}
            if r == 0
            else {"true": [3], "false": [4]}
        ),
    )
    result = pipeline_of(chat)(clip.video, "those two")
    assert [numbers_shown(call) for call in rounds_of(chat)] == [[1, 2, 3, 4], [3, 4]]
    assert [track.object_id for track in result.tracks] == [1, 3]
    assert (result.status, [turn.action for turn in result.trace.turns]) == (
        "answered",
        ["look", "answer"],
    )


def test_a_look_goes_to_the_frames_that_show_what_is_unknown(pipeline_of, clip, number_of):
    # The scope of a look is the part of the video in which undecided tracks are visible.
    detector = TruthDetector(clip, masks=True)
    chat = choosing(["thing"], lambda ids, r: {"unknown": ids[:1], "false": ids[1:]})
    result = pipeline_of(chat, detector=detector)(clip.video, "the first")
    look = result.trace.turns[0]
    track = look.thought.details["tracks"][0]
    visible = track["visible"]
    assert (look.look_window.start, look.look_window.stop) == (visible[0][0], visible[-1][1])


def test_rounds_end_with_the_turns_and_say_so(clip, pipeline_of):
    # Something is decided in each round, so that each could go on.
    chat = choosing(["thing"], lambda ids, _: {"false": ids[:1], "unknown": ids[1:]})
    result = pipeline_of(chat, max_turns=2)(clip.video, "it")
    assert len(rounds_of(chat)) == 2
    assert "last round" in rounds_of(chat)[1].texts[-1]
    assert "last round" not in rounds_of(chat)[0].texts[-1]
    assert (result.status, result.found) == ("guessed", False)
    [warning] = result.warnings
    assert "tracks 3, 4 were still undecided after 2 rounds; they are left out" in warning
    assert "max_turns" in warning


def test_a_round_that_would_show_the_same_again_is_not_asked(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"unknown": ids})
    result = pipeline_of(chat, max_turns=9)(clip.video, "it")
    assert len(rounds_of(chat)) == 1
    assert result.trace.turns[-1].stop_reason == "a further round would show the same pictures"
    assert result.status == "guessed"


def test_undecided_tracks_can_be_kept_as_a_guess(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"false": ids[:3], "unknown": ids[3:]})
    result = pipeline_of(chat, max_turns=1, undecided="keep")(clip.video, "it")
    assert (result.status, result.grounding.object_ids) == ("guessed", (4,))
    assert "it is the answer" in result.warnings[0]


def test_what_was_chosen_stays_where_others_are_undecided(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"true": [1], "false": [2], "unknown": [3, 4]})
    result = pipeline_of(chat, max_turns=1, undecided="keep")(clip.video, "it")
    assert (result.status, result.grounding.object_ids) == ("guessed", (1,))
    assert "they are left out" in result.warnings[0]


def test_nothing_chosen_is_absent(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"false": ids})
    result = pipeline_of(chat)(clip.video, "the elephant")
    assert (result.status, result.found, result.warnings) == ("absent", False, ())


def test_nothing_chosen_is_a_guess_where_not_everything_was_followed(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"false": ids})
    result = pipeline_of(chat, max_tracks=2)(clip.video, "the elephant")
    assert (result.status, result.found) == ("guessed", False)
    assert any("max_tracks=2" in warning for warning in result.warnings)


def test_everything_chosen_is_asked_again(clip, pipeline_of):
    chat = choosing(
        ["thing"], lambda ids, r: {"true": ids} if r == 0 else {"true": [2], "false": [1, 3, 4]}
    )
    result = pipeline_of(chat)(clip.video, "the blue one")
    assert "every number was put into true" in rounds_of(chat)[1].texts[-1]
    assert (result.status, result.grounding.object_ids) == ("answered", (2,))


def test_everything_is_the_answer_if_it_is_chosen_twice(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"true": ids})
    result = pipeline_of(chat)(clip.video, "all of them")
    assert len(rounds_of(chat)) == 2
    assert (result.status, result.grounding.object_ids) == ("answered", (1, 2, 3, 4))


def test_everything_and_then_nothing_is_a_contradiction(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, r: {"false" if r else "true": ids})
    result = pipeline_of(chat)(clip.video, "the blue one")
    assert (result.status, result.grounding.object_ids) == ("guessed", (1, 2, 3, 4))
    assert "chose every track and then none" in result.warnings[-1]


def test_a_number_in_two_lists_or_in_none_is_unknown(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, r: {"true": [1, 2, 77], "false": [2, 3]})
    result = pipeline_of(chat, max_turns=1)(clip.video, "it")
    assert (result.status, result.grounding.object_ids) == ("guessed", (1,))
    text = "\n".join(result.warnings)
    assert "number 77, which it was not shown" in text
    assert "number 2 into several lists" in text
    assert "said nothing of number 4" in text


def test_an_answer_that_cannot_be_read_is_asked_for_again_and_then_an_error(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: "I like them all.")
    with pytest.raises(GroundingParseError, match="puts no number into true, false or unknown"):
        pipeline_of(chat)(clip.video, "it")
    assert [call.temperature for call in rounds_of(chat)] == [0.0, 0.7]


def test_an_answer_that_cannot_be_read_may_be_a_guess_without_objects(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: "I like them all.")
    result = pipeline_of(chat, on_parse_error="empty")(clip.video, "it")
    assert (result.status, result.found) == ("guessed", False)
    assert "nothing is segmented, which is a guess" in result.warnings[0]
    [turn] = result.trace.turns
    assert turn.thought.details["round"]["replies"] == ["I like them all."] * 2


def test_what_earlier_rounds_chose_survives_an_answer_that_cannot_be_read(clip, pipeline_of):
    chat = choosing(
        ["thing"],
        lambda ids, r: {"true": [1], "false": [2], "unknown": [3, 4]} if r == 0 else "Well.",
    )
    result = pipeline_of(chat)(clip.video, "it")
    assert (result.status, result.grounding.object_ids) == ("guessed", (1,))
    assert "what was chosen before is kept" in result.warnings[0]


def test_a_refusal_is_repeated_in_the_error(clip, pipeline_of):
    def answer(exchange, _):
        if is_round(exchange):
            return ChatReply("", refusal="I do not look at videos.")
        return '{"names": ["thing"]}'

    with pytest.raises(GroundingParseError, match="I do not look at videos"):
        pipeline_of(ScriptedChat(answer))(clip.video, "it")


@pytest.mark.parametrize("fits", [3, 0])
def test_pictures_that_do_not_fit_into_the_context_are_reduced(clip, pipeline_of, fits):
    def answer(exchange, _):
        if not is_round(exchange):
            return '{"names": ["thing"]}'
        if len(exchange.images) > fits:
            raise ContextLengthError("too many images", component="scripted")
        return '{"true": [1], "false": [2, 3, 4]}'

    pipe = pipeline_of(ScriptedChat(answer))
    if not fits:
        with pytest.raises(ContextLengthError):
            pipe(clip.video, "it")
        return
    result = pipe(clip.video, "it")
    [turn] = result.trace.turns
    assert len(turn.thought.details["round"]["frames"]) == 3
    assert turn.thought.details["round"]["is_shortened"] is True


def test_the_whole_exchange_stands_in_the_trace(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"true": [1], "false": ids[1:]})
    result = pipeline_of(chat)(clip.video, "the one")
    details = result.trace.turns[0].thought.details
    [asked] = details["concepts"]
    assert (asked["prompt"], asked["names"]) == ("concepts.v1", ["thing"])
    assert details["round"]["prompt"] == "choose.v1"
    assert 'Query: "the one"' in details["round"]["question"]
    assert json.loads(json.dumps(details)) == details
    assert result.trace.num_tokens == sum(
        len(call_text(call)) for call in details_replies(details)
    )


def details_replies(details):
    return [*(one["reply"] for one in details["concepts"]), *details["round"]["replies"]]


def call_text(text):
    return text.split()


def test_an_answer_of_keyframes_has_one_mask_for_each_object(clip, pipeline_of):
    chat = choosing(["thing"], lambda ids, _: {"true": [1, 2], "false": ids[2:]})
    pipe = pipeline_of(chat, answer="keyframe")
    grounding = pipe.ground(clip.video, "both").grounding
    assert [prompt.object_id for prompt in grounding.prompts] == [1, 2]


def test_a_result_can_be_saved_and_loaded(clip, pipeline_of, tmp_path):
    chat = choosing(["thing"], lambda ids, _: {"true": [1], "false": ids[1:]})
    result = pipeline_of(chat)(clip.video, "the one")
    result.save(tmp_path / "out", parts=["masks"])
    assert vs.Segmentation.load(tmp_path / "out") == result
