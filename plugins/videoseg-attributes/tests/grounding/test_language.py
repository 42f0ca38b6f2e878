from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_attributes.grounding.language import (
    ColorIs,
    EventIs,
    MotionIs,
    NounPhrase,
    Phases,
    PositionIs,
    Ranking,
    RelationIs,
    SizeIs,
    parse_query,
    spoken_span,
)
from videoseg_attributes.grounding.language.lexicon import lexicon

from videoseg.errors import QueryError


def target(text: str) -> NounPhrase:
    return parse_query(text).target


def only(text: str, kind: type) -> object:
    (item,) = (c for c in (*target(text).constraints, *target(text).rankings)
               if isinstance(c, kind))  # fmt: skip
    return item


def ignored(text: str) -> list[str]:
    return [item.words for item in parse_query(text).ignored]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("the red one", ["red"]),
        ("The RED, one!", ["red"]),
        ("a gray thing", ["grey"]),
        ("the dark blue object", ["dark blue"]),
        ("the black and white dog", ["black", "white"]),
        ("the golden dog", ["golden"]),
        ("something that is light green", ["light green"]),
    ],
)
def test_colors(text: str, names: list[str]) -> None:
    constraint = only(text, ColorIs)
    assert [str(color) for color in constraint.colors] == names
    assert not constraint.negated


@pytest.mark.parametrize(
    "text",
    ["the object that is not red", "the one that isn't red", "a thing that is never red"],
)
def test_a_denial_turns_the_next_constraint(text: str) -> None:
    assert only(text, ColorIs).negated


def test_neither_and_nor_deny_both() -> None:
    constraints = target("the object that is neither red nor moving").constraints
    assert [c.negated for c in constraints] == [True, True]


@pytest.mark.parametrize(
    ("text", "manner", "direction", "negated"),
    [
        ("the bird swimming to the right", "moving", "right", False),
        ("the object that moves left", "moving", "left", False),
        ("the one going upwards", "moving", "up", False),
        ("the thing rolling away from the camera", "moving", "away", False),
        ("the animal that is not standing still", "still", None, True),
        ("the living thing that never leaves its spot", "still", None, False),
        ("the object that doesn't move", "moving", None, True),
        ("the person twirling", "in place", None, False),
        ("the parked car", "still", None, False),
        ("the one that moves across the picture", "moving", "across", False),
        ("the object moving left to right", "moving", "right", False),
        ("the object that moves right to left", "moving", "left", False),
        ("the object moving from bottom to top", "moving", "up", False),
        ("the object going top to bottom", "moving", "down", False),
        ("moving left to right", "moving", "right", False),
    ],
)
def test_motion(text: str, manner: str, direction: str | None, negated: bool) -> None:
    constraint = only(text, MotionIs)
    assert (constraint.manner, constraint.direction) == (manner, direction)
    assert constraint.negated == negated


@pytest.mark.parametrize(
    ("text", "key", "descending", "rank"),
    [
        ("the largest object", "area", True, 1),
        ("the second largest object", "area", True, 2),
        ("the smallest of them", "area", False, 1),
        ("the leftmost one", "left", True, 1),
        ("the third from the left", "left", True, 3),
        ("the third object, left to right", "left", True, 3),
        ("the one that moves fastest", "speed", True, 1),
        ("the camel nearer to the camera", "front", True, 1),
        ("the larger of the two", "area", True, 1),
        ("the last one to appear", "appears", True, 1),
        ("the second object to enter", "appears", False, 2),
        ("the object that leaves first", "leaves", False, 1),
        ("the object that moves first", "starts", False, 1),
        ("the object closest to the red one", "distance", False, 1),
    ],
)
def test_superlatives_and_ordinals(text: str, key: str, descending: bool, rank: int) -> None:
    ranking = only(text, Ranking)
    assert (ranking.key, ranking.descending, ranking.rank) == (key, descending, rank)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("the dog on the left", ("left",)),
        ("the dog in the top right corner", ("top", "right")),
        ("the left dog", ("left",)),
        ("the one in the background", ("back",)),
        ("the object in the centre of the frame", ("center",)),
    ],
)
def test_places(text: str, places: tuple[str, ...]) -> None:
    assert only(text, PositionIs).places == places


def test_sizes() -> None:
    assert only("the small dog", SizeIs).large is False
    assert only("the tall one", SizeIs).dimension == "height"


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("the one that comes into the picture", "appears"),
        ("the one that leaves the picture", "leaves"),
        ("the one that left", "leaves"),
        ("the one that disappears and comes back", "returns"),
        ("the object that is gone for a while", "returns"),
        ("the object that goes behind the post", "hidden"),
    ],
)
def test_events(text: str, event: str) -> None:
    assert only(text, EventIs).event == event


def test_an_event_after_an_event_of_something_else() -> None:
    event = only("the object that enters after the red one leaves", EventIs)
    assert event.event == "appears"
    assert event.when is not None
    assert (event.when.order, event.when.event) == ("after", "leaves")
    assert isinstance(event.when.reference.constraints[0], ColorIs)


def test_a_relation_holds_a_description_of_its_own() -> None:
    phrase = target("the red ball left of the blue square that is moving")
    assert [c.words for c in phrase.constraints if isinstance(c, ColorIs)] == ["red"]
    (relation,) = (c for c in phrase.constraints if isinstance(c, RelationIs))
    (reference,) = relation.references
    assert relation.relation == "left of"
    assert [type(c) for c in reference.constraints] == [ColorIs, MotionIs]


def test_what_follows_and_belongs_to_the_whole() -> None:
    phrase = target("the object above the red one and moving left")
    assert [type(c) for c in phrase.constraints] == [RelationIs, MotionIs]


def test_a_group_is_picked_from() -> None:
    phrase = target("the second largest of the objects that are not red")
    assert phrase.within is not None
    assert phrase.within.constraints[0].negated
    assert phrase.within.number.count is None
    assert phrase.rankings[0].rank == 2


def test_one_thing_after_the_other() -> None:
    for text in ("the object that moves left, then right", "what moves left before moving right",
                 "the one moving right after moving left"):  # fmt: skip
        steps = only(text, Phases).steps
        assert [step.direction for step in steps] == ["left", "right"], text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("the red one", 1), ("both dogs", 2), ("the two red ones", 2), ("three objects", 3),
        ("all objects that move", None), ("the dogs", None), ("everything that moves", None),
        ("everything except the red one", None), ("all but the red star", None),
        ("the glass", 1),
    ],
)  # fmt: skip
def test_numbers(text: str, count: int | None) -> None:
    assert target(text).number.count == count


def test_exceptions() -> None:
    (excluded,) = target("everything except the largest one").excluded
    assert excluded.rankings[0].key == "area"
    (excluded,) = target("the moving object, not the red one").excluded
    assert isinstance(excluded.constraints[0], ColorIs)


def test_two_descriptions_are_united() -> None:
    phrase = target("the red object and the blue object")
    assert len(phrase.alternatives) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the animal that could fly away", ["animal", "could fly away"]),
        ("the one giving the commands", ["giving the commands"]),
        ("the creature that is following a scent", ["creature", "following a scent"]),
        ("the one the audience is looking at", ["the audience", "is looking at"]),
        ("the silver car driving across the junction", ["car", "across the junction"]),
        ("the person riding a red bike", ["person", "a red bike"]),
    ],
)
def test_words_that_are_not_understood_are_kept_with_a_reason(text: str, words: list[str]) -> None:
    plan = parse_query(text)
    assert [item.words for item in plan.ignored] == words
    assert all(item.why for item in plan.ignored)
    assert "red" not in plan.used_words


@pytest.mark.parametrize("noun", ["dog", "car", "woman", "ball", "skateboard", "cat", "taxi"])
def test_a_noun_is_never_understood(noun: str) -> None:
    plan = parse_query(f"the {noun}")
    assert not plan.target.understood
    assert ignored(f"the {noun}") == [noun]
    assert noun not in lexicon()


def test_a_color_of_clothes_is_a_part_but_a_color_of_the_place_is_not() -> None:
    worn = only("the woman in the blue dress", ColorIs)
    assert worn.part
    assert not target("the dog in the green field").constraints


@pytest.mark.parametrize(
    "text", ["die rote Kugel links", "赤いボール", "красный мяч", "la pelota"]
)
def test_other_languages_are_not_understood(text: str) -> None:
    plan = parse_query(text)
    assert not plan.target.understood
    assert plan.ignored


@pytest.mark.parametrize("text", ["", "   ", "?!", "\n\t."])
def test_a_query_without_words_is_an_error(text: str) -> None:
    with pytest.raises(QueryError):
        parse_query(text)


@pytest.mark.parametrize(
    "text",
    [
        "left of the red one " * 2500,
        "the one that is not " * 2500,
        "of the " * 5000,
        "x" * 100_000,
        "the largest of " * 3000,
    ],
)
def test_a_very_long_query_takes_bounded_time(text: str) -> None:
    started = time.process_time()
    plan = parse_query(text)
    assert time.process_time() - started < 2.0
    assert plan.truncated or len(text.split()) < 300


_WORDS = st.sampled_from(
    [*sorted(lexicon()), "dog", "woman", "obey", "qwerty", ",", ".", "?", "the", "of", "that"]
)


@settings(max_examples=300, deadline=None)
@given(words=st.lists(_WORDS, min_size=1, max_size=25))
def test_any_row_of_known_words_gives_a_plan(words: list[str]) -> None:
    text = " ".join(words)
    if not any(word.isalnum() for word in text):
        return
    plan = parse_query(text)
    assert plan.speaks_of_time in (True, False)
    assert isinstance(plan.used_words, tuple)


@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1, max_size=80))
def test_any_text_gives_a_plan_or_a_query_error(text: str) -> None:
    if any(character.isalnum() for character in text):
        assert parse_query(text).text == text
    else:
        with pytest.raises(QueryError):
            parse_query(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [("the dog at the end", "end"), ("the first to leave", "start"), ("the red one", None),
     ("in the middle of the video it jumps", "middle"), ("the last one to appear", "end")],
)  # fmt: skip
def test_the_part_of_the_video_a_sentence_speaks_of(text: str, span: str | None) -> None:
    assert spoken_span(text) == span
