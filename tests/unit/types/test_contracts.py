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
    Window,
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
