import pickle
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from videoseg.errors import ConfigError
from videoseg.types import (
    Box,
    Episode,
    FrameGroup,
    FrameSelection,
    Grounding,
    Look,
    Point,
    Prompt,
    Thought,
    TraceTurn,
    Window,
    from_dict,
    to_dict,
)


def test_a_prompt_must_say_where_the_object_is():
    with pytest.raises(ConfigError, match="box, points, a mask or an embedding"):
        Prompt(1, 0)


@pytest.mark.parametrize(
    ("parts", "remedy"),
    [
        ({"box": (0, 0, 2, 2)}, r"Box\(x1, y1, x2, y2\); got .* tuple"),
        ({"mask": np.ones((4, 5), bool)}, r"Rle.encode\(mask\); got .* ndarray"),
        ({"points": ((3, 4),)}, r"\(Point\(x, y\),\); got .* tuple"),
        ({"points": Point(3, 4)}, r"a tuple of Point.*; got .* Point"),
        ({"box": Box(0, 0, 2, 2), "negative_points": [(3, 4)]}, "negative_points of the prompt"),
    ],
)
def test_a_prompt_of_other_types_is_refused_with_what_to_write(parts, remedy):
    with pytest.raises(ConfigError, match=remedy):
        Prompt(1, 0, **parts)


def test_all_parts_of_a_wrong_type_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Prompt(1, 0, box=[0, 0, 2, 2], mask=np.ones((4, 5), bool))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("place", [("dog", 0), (1.5, 0), (0, 0), (1, "3"), (1, -1)])
def test_ids_and_frames_are_whole_numbers(place):
    with pytest.raises(ConfigError, match="whole number"):
        Prompt(*place, box=Box(0, 0, 2, 2))


def test_a_prompt_takes_numbers_of_numpy_and_lists_of_points():
    prompt = Prompt(np.int64(1), np.uint8(3), points=[Point(1, 2)])
    assert prompt == Prompt(1, 3, points=(Point(1, 2),))


def test_a_grounder_that_tells_no_status_has_answered_if_it_found_something():
    prompt = Prompt(1, 4, box=Box(0, 0, 2, 2))
    assert Grounding(4, (prompt,)).status == "answered"
    assert Grounding(None).status == "absent"
    guess = Grounding(4, (prompt,), status="guessed", judged=["red"], unjudged=["dog"])
    assert (guess.status, guess.judged, guess.unjudged) == ("guessed", ("red",), ("dog",))
    assert from_dict(Grounding, to_dict(guess)) == guess


def test_a_status_follows_the_prompts_that_replace_others_unless_it_is_a_guess():
    prompts = (Prompt(1, 4, box=Box(0, 0, 2, 2)),)
    answered, absent = Grounding(4, prompts), Grounding(None)
    loaded = from_dict(Grounding, to_dict(answered))
    for found in (answered, loaded, Grounding(4, prompts, status="answered"), copy(answered)):
        assert replace(found, prompts=()).status == "absent"
        assert replace(found, confidence=0.5).status == "answered"
    assert replace(absent, keyframe=4, prompts=prompts).status == "answered"
    assert replace(absent, keyframe=4, prompts=prompts) == answered
    guess = replace(answered, status="guessed")
    assert replace(guess, prompts=()).status == "guessed"
    with pytest.raises(ConfigError, match="without prompts cannot be 'answered'"):
        replace(absent, status="answered")
    assert type(to_dict(answered)["status"]) is str
    assert pickle.loads(pickle.dumps(answered)) == answered


@pytest.mark.parametrize(
    ("found", "status", "remedy"),
    [
        (True, "absent", "with prompts cannot be 'absent'; pass 'guessed', 'answered', or None"),
        (False, "answered", "without prompts cannot be 'answered'; pass 'guessed', 'absent'"),
        (True, "sure", "one of answered, guessed, absent, or None; got 'sure'"),
    ],
)
def test_a_status_that_contradicts_the_prompts_is_refused(found, status, remedy):
    prompts = (Prompt(1, 4, box=Box(0, 0, 2, 2)),) if found else ()
    with pytest.raises(ConfigError, match=remedy):
        Grounding(4, prompts, status=status)


def test_two_prompts_for_one_object_on_one_frame_are_refused():
    prompt = Prompt(1, 4, box=Box(0, 0, 2, 2))
    with pytest.raises(ConfigError, match="two prompts"):
        Grounding(4, (prompt, prompt))


def test_one_object_may_be_prompted_on_several_frames():
    grounding = Grounding(
        4, (Prompt(1, 4, box=Box(0, 0, 2, 2)), Prompt(1, 9, box=Box(0, 0, 2, 2)))
    )
    assert grounding.object_ids == (1,)


def test_no_prompts_is_a_legal_answer():
    assert not Grounding(None).found


def test_prompts_without_a_keyframe_are_refused():
    with pytest.raises(ConfigError, match="keyframe"):
        Grounding(None, (Prompt(1, 4, box=Box(0, 0, 2, 2)),))


def test_a_selection_lists_its_frames_once_and_in_order():
    selection = FrameSelection.of([8, 0, 8], window=Window(0, 10), keyframe=3)
    assert selection.indices == (0, 3, 8)
    assert selection.keyframe == 3
    assert selection.of_role("context") == (8, 0, 8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FrameGroup("context", ()),
        lambda: FrameGroup("context", (-1,)),
        lambda: FrameGroup("keyframe", (1, 2)),
        lambda: FrameGroup("detail", (1,), 0),
        lambda: FrameSelection((), Window(0, 3)),
        lambda: FrameSelection(
            (FrameGroup("keyframe", (1,)), FrameGroup("keyframe", (2,))), Window(0, 3)
        ),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_the_trace_tells_each_turn_with_what_was_seen_and_done():
    selection = FrameSelection.of([0, 5], window=Window(0, 10), reason="evenly")
    look = Look(Window(4, 8), 5, Thought(temporal="the second half moves"))
    answer = Grounding(None, thought=Thought("nothing fits"))
    episode = Episode(
        video=None, query="q", max_turns=2, selections=(selection, selection), moves=(look, answer)
    )
    text = str(episode.trace)
    assert "Turn 1: frames 0-9, saw 0, 5" in text
    assert "temporal: the second half moves" in text
    assert "-> look at frames 4-7, keyframe 5" in text
    assert "thought: nothing fits" in text
    assert episode.grounding is answer


def test_only_the_last_turn_must_answer():
    episode = Episode(video=None, query="q", max_turns=2)
    assert not episode.must_answer
    later = Episode(video=None, query="q", max_turns=2, moves=(Look(Window(0, 1)),))
    assert later.must_answer
    assert later.grounding is None


def test_the_dimensions_of_a_thought_are_those_with_text_in_order():
    assert Thought("all of it").dimensions == {}
    thought = Thought(linguistic="the red one", temporal="from frame 3", spatial=" ")
    assert list(thought.dimensions.items()) == [
        ("temporal", "from frame 3"),
        ("linguistic", "the red one"),
    ]


def test_the_trace_tells_the_role_of_frames_the_action_and_why_it_stopped():
    first = FrameSelection(
        (FrameGroup("context", (0, 8, 16)), FrameGroup("detail", (4, 12))), window=Window(0, 20)
    )
    second = FrameSelection.of([6, 8], window=Window(6, 9), keyframe=7)
    look = Look(Window(6, 9), 7, Thought(spatial="too small", action="see it closer"))
    answer = Grounding(
        7,
        (Prompt(1, 7, box=Box(0, 0, 2, 2)),),
        thought=Thought(action="confirmed"),
        window=Window(6, 9),
        stop_reason="the object was confirmed",
    )
    episode = Episode(None, "q", max_turns=3, selections=(first, second), moves=(look, answer))
    assert str(episode.trace).splitlines() == [
        "Turn 1: frames 0-19, saw context 0, 8, 16; detail 4, 12",
        "  spatial: too small",
        "  action: see it closer",
        "  -> look at frames 6-8, keyframe 7",
        "Turn 2: frames 6-8, saw context 6, 8; keyframe 7",
        "  action: confirmed",
        "  -> answer: frames 6-8, keyframe 7",
        "  stopped: the object was confirmed",
    ]


def test_an_answer_in_the_last_of_several_turns_says_so():
    selection = FrameSelection.of([0], window=Window(0, 4))
    moves = (Look(Window(0, 2)), Grounding(None))

    def last_turn(max_turns, moves):
        shown = (selection,) * len(moves)
        return Episode(None, "q", max_turns, selections=shown, moves=moves).trace.turns[-1]

    assert last_turn(2, moves).stop_reason == "turn 2 of 2 was the last"
    assert last_turn(3, moves).stop_reason == ""
    assert last_turn(1, moves[1:]).stop_reason == ""
    own = (moves[0], Grounding(None, stop_reason="nothing left to see"))
    assert last_turn(2, own).stop_reason == "nothing left to see"


def test_traces_of_earlier_versions_still_load():
    turn = TraceTurn(FrameSelection.of([0], window=Window(0, 4)), "answer", Thought("it"))
    old = to_dict(turn)
    for name in ("answer_window", "answer_keyframe", "stop_reason"):
        del old[name]
    del old["thought"]["action"]
    assert from_dict(TraceTurn, old) == turn
