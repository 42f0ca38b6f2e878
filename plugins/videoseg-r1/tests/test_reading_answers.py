from __future__ import annotations

import contextlib
import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_r1 import Answer, parse_answer, parse_percent, parse_span
from videoseg_r1.budget import AXES, parse_difficulty
from videoseg_r1.parsing.answer import MAX_OBJECTS
from videoseg_r1.parsing.json_text import read_values
from videoseg_r1.parsing.times import parse_timestamp

from videoseg.errors import GroundingParseError

# -- lists and mappings as models write them ---------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ("```json\n[{'a': [1, 2,],},]\n```", [[{"a": [1, 2]}]]),
        ("{a: 1, b: true, c: None}", [{"a": 1, "b": True, "c": None}]),
        ("[{'label': 'the dog's ball', 'x': 1}]", [[{"label": "the dog's ball", "x": 1}]]),
        ('one [1] and {"b": (2, 3)}', [[1], {"b": [2, 3]}]),
        ('[{"a": [1, 2], "b": [3, 4', [[{"a": [1, 2], "b": [3]}]]),
        ('[{"a": "unfinished', [[{}]]),
        (r'["a \"quoted\" word"]', [['a "quoted" word']]),
        ("no structure", []),
    ],
)
def test_structures_are_read_leniently(text, values):
    assert read_values(text) == values


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=20,
    ).filter(lambda value: isinstance(value, list | dict))
)
def test_what_json_can_say_is_read_as_json_reads_it(value):
    assert read_values(json.dumps(value)) == [value]


@pytest.mark.parametrize("text", ['{"a":[' * 50_000, "[1," * 60_000, "'" * 200_000, "[" * 10**6])
def test_reading_takes_bounded_time_however_deep(text):
    begin = time.perf_counter()
    read_values(text)
    assert time.perf_counter() - begin < 10


# -- answers about objects ---------------------------------------------------------------


def one(text: str):
    [found] = parse_answer(text).objects
    return found


def test_the_answer_of_videoseg_r1():
    answer = parse_answer(
        '<think>The dog jumps.</think> <answer>[{"bbox_2d": [10, 20, 30, 40], '
        '"point_2d": [15, 25], "neg_point_2d": [50, 55], "label": "dog"}]</answer>'
    )
    assert answer.thought == "The dog jumps."
    [found] = answer.objects
    assert found.box == (10, 20, 30, 40)
    assert found.points == ((15, 25),)
    assert found.negative_points == ((50, 55),)
    assert found.label == "dog"


@pytest.mark.parametrize(
    "text",
    [
        '<answer>[{"bbox_2d": [1, 2, 3, 4], "points": [[2, 3, 1], [9, 8, 0]]}]</answer>',
        '[{"bbox_2d": [1, 2, 3, 4], "point_2d": [2, 3], "point_neg": [9, 8]}]',
        '[{"bbox": [1, 2, 3, 4], "points_pos": [[2, 3]], "points_neg": [[9, 8]]}]',
        '{"objects": [{"box": [[1, 2], [3, 4]], "center": [2, 3], "negative_point": [9, 8]}]}',
        "```\n[{'bbox_2d': [3, 4, 1, 2], 'point_2d': ['2', '3'], 'neg_point_2d': [9, 8],},]",
    ],
)
def test_other_spellings_say_the_same(text):
    found = one(text)
    assert found.box == (1, 2, 3, 4)
    assert found.points == ((2, 3),)
    assert found.negative_points == ((9, 8),)


def test_the_answer_of_seg_zero_has_two_points():
    found = one("<answer>{'bbox':[1,2,3,4],'points_1':[5,6],'points_2':[7,8]}</answer>")
    assert found.points == ((5, 6), (7, 8))


def test_several_objects_are_kept_in_order():
    found = parse_answer('[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8]}]').objects
    assert [item.box for item in found] == [(1, 2, 3, 4), (5, 6, 7, 8)]


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ("<think>a b</think><answer>[]</answer>", "a b"),
        ("untagged reasoning <answer>[]</answer>", "untagged reasoning"),
        ("a b</think>[]", "a b"),
        ("<think>a</think><think>b</think>[]", "a\nb"),
        ("<think>b</think> c </thinking> []", "c\nb"),
        ("<think>never closed <answer>[]</answer>", "never closed"),
    ],
)
def test_the_reasoning_is_found_with_and_without_tags(text, thought):
    assert parse_answer(text).thought == thought


def test_numbers_in_the_reasoning_are_no_answer():
    with pytest.raises(GroundingParseError):
        parse_answer('<think>perhaps [1, 2, 3, 4]?</think> {"bbox_2d": "unsure"}')


@pytest.mark.parametrize(
    "text",
    [
        "<answer>[]</answer>",
        '<answer>{"objects": []}</answer>',
        "None.",
        "no such object",
        "There is no such object.",
    ],
)
def test_nothing_is_an_answer(text):
    assert parse_answer(text).objects == ()


def test_what_stands_whole_before_the_cut_is_kept():
    answer = parse_answer('<answer>[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6,')
    assert [item.box for item in answer.objects] == [(1, 2, 3, 4)]
    assert answer.warnings


@pytest.mark.parametrize(
    "text",
    [
        "The object is at (10, 20, 30, 40).",
        "<|box_start|>(10,20),(30,40)<|box_end|>",
        "the dog <box>(10, 20), (30, 40)</box>",
        "from the top-left (10, 20) to the bottom-right (30, 40)",
    ],
)
def test_boxes_in_running_text_are_a_last_resort(text):
    found = one(text)
    assert (found.box, found.points) == ((10, 20, 30, 40), ())


@pytest.mark.parametrize(
    "text",
    [
        '{"bbox_2d": "10, 20, 30, 40", "point_2d": "(15, 25)"}',
        '{"bbox_2d": "(10, 20), (30, 40)", "point_2d": ["15", "25"]}',
        '{"bbox_2d": {"x1": 10, "y1": 20, "x2": 30, "y2": 40}, "point_2d": {"x": 15, "y": 25}}',
        '{"bbox_2d": [[10, 20, 30, 40]], "point_2d": [15, 25]}',
    ],
)
def test_numbers_may_be_text_or_named(text):
    found = one(text)
    assert (found.box, found.points) == ((10, 20, 30, 40), ((15, 25),))


def test_a_mapping_that_lists_boxes_is_several_objects_with_their_own_points():
    text = (
        '{"bbox_2d": [[1, 2, 3, 4], [5, 6, 7, 8]], "point_2d": [[2, 3], [6, 7]], "label": "dog", '
        '"neg_point_2d": [[9, 9]]}'
    )
    first, second = parse_answer(text).objects
    assert (first.box, first.points, first.label) == ((1, 2, 3, 4), ((2, 3),), "dog")
    assert (second.box, second.points, second.label) == ((5, 6, 7, 8), ((6, 7),), "dog")
    # One negative point for two boxes: of which of them is not said.
    assert not first.negative_points
    assert not second.negative_points


def test_an_answer_tag_that_is_opened_again_and_left_empty_takes_nothing_back():
    answer = parse_answer('a <answer>[{"bbox_2d": [1, 2, 3, 4]}]</answer> b <answer>')
    assert answer.objects[0].box == (1, 2, 3, 4)
    assert answer.thought == "a"


@pytest.mark.parametrize(
    "text",
    [
        "The dog is at (320, 240).",
        "point: (320, 240)",
        "<think>Not (1, 2).</think> point_2d: [320, 240]",
        "<think>Not (1, 2).</think><think>Nor (3, 4).</think> It is at ( 320,240 ).",
        "<answer>[320, 240]</answer>",
        '<answer>"bbox_2d": [1, 2, NaN, 4], "point_2d": [320, 240]</answer>',
    ],
)
def test_points_in_running_text_are_the_very_last_resort(text):
    answer = parse_answer(text)
    [found] = answer.objects
    assert (found.box, found.points, found.negative_points) == (None, ((320, 240),), ())
    assert "no readable box" in answer.warnings[0]


def test_each_point_in_running_text_is_an_object_with_its_own_negative_points():
    first, second = parse_answer("(1, 2), neg_point_2d: (5, 6); the other is at [7, 8]").objects
    assert (first.points, first.negative_points) == (((1, 2),), ((5, 6),))
    assert (second.points, second.negative_points) == (((7, 8),), ())
    assert one("[[3, 4, 1], [9, 9, 0]]").negative_points == ((9, 9),)


def test_nothing_better_is_passed_over_for_a_point():
    found = one("(1, 2, 3, 4), or else (5, 6)")
    assert (found.box, found.points) == ((1, 2, 3, 4), ())
    assert parse_answer("None. The nearest is at (3, 4).").objects == ()


@pytest.mark.parametrize(
    "text",
    [
        "<think>perhaps (1, 2)</think><answer>unsure</answer>",
        "<think>perhaps (1, 2)</think> unsure",
        "<think>perhaps (1, 2), or",
        "perhaps (1, 2)</think> unsure",
        "perhaps (1, 2) <answer>unsure</answer>",
        "<think>a</think><think>perhaps (1, 2)</think> unsure",
        "The box ends in the lower right at (3, 4), its top-left: (1, 2)",
        '[{"bbox_2d": [[1, 2], [3',
        "The picture has a size of (1280, 720).",
        "neg_point_2d: (1, 2)",
    ],
)
def test_points_of_the_reasoning_corners_and_sizes_are_no_answer(text):
    with pytest.raises(GroundingParseError):
        parse_answer(text)


@given(st.integers(0, 9999), st.integers(0, 9999), st.text("abc (,.\n", max_size=30))
def test_a_point_is_found_wherever_it_stands_in_the_answer_and_never_in_the_reasoning(x, y, near):
    text = f"<think>{near} (1, 2)</think>{near} ({x}, {y}) {near}"
    assert one(text).points == ((x, y),)


@pytest.mark.parametrize("unit", ["(1,", "(1, 2", "(1 ", "( " * 9, "<think>", "</think>", "box ["])
def test_salvaging_takes_bounded_time(unit):
    begin = time.perf_counter()
    with contextlib.suppress(GroundingParseError):
        parse_answer(unit * 50_000)
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize(
    "box",
    ["[1, 2, NaN, 4]", "[1, 2, Infinity, 4]", "[5, 5, 5, 9]", "[1, 2, 3]", "[1, 2, 1e300, 4]"],
)
def test_impossible_boxes_are_refused_with_the_raw_text(box):
    text = f'[{{"bbox_2d": {box}}}]'
    with pytest.raises(GroundingParseError) as caught:
        parse_answer(text)
    assert caught.value.raw_text == text


def test_thousands_of_objects_are_cut_short_with_a_warning():
    text = json.dumps([{"bbox_2d": [n, n, n + 5, n + 5]} for n in range(4000)])
    answer = parse_answer(text)
    assert len(answer.objects) == MAX_OBJECTS
    assert str(MAX_OBJECTS) in answer.warnings[0]


HUGE = "9" * 400


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_span, f'{{"start": 1, "end": {HUGE}}}'),
        (parse_percent, f'{{"percent": {HUGE}}}'),
        (parse_span, "<think>The clip lasts 20 seconds. The man turns at 3 s, so"),
        (parse_percent, "<think>At 0% the scene is empty, at 10% the man"),
        (parse_span, '{"start": -1, "end": 4}'),
        (parse_span, '{"start": 1e400, "end": 3}'),
    ],
)
def test_what_is_no_answer_is_dropped_rather_than_guessed_at(parse, text):
    assert parse(text) is None


def test_the_answer_block_counts_and_not_what_was_thought_before():
    assert parse_span("Between 2 and 3 it turns.<answer>12s - 15s</answer>") == (12, 15)


@pytest.mark.parametrize(
    "text",
    [
        f'<answer>[{{"bbox_2d": [1, 2, 3, {HUGE}]}}]</answer>',
        "<answer>[",
        "[" + "9" * 200_000 + "]",
        'Box [x1, y1] unknown []. [{"label": "dog"}]',
    ],
)
def test_what_is_cut_off_or_unsure_does_not_mean_that_there_is_nothing(text):
    with pytest.raises(GroundingParseError):
        parse_answer(text)


fragments = st.sampled_from(
    [
        *("<think>", "</think>", "<answer>", "</answer>", "[", "]", "{", "}", "(", ")", ",", ":"),
        *(
            '"bbox_2d"',
            "'point_2d'",
            "neg_point_2d",
            "points",
            "NaN",
            "1e999",
            "-3",
            "0.5",
            "null",
        ),
        *("9" * 5000, HUGE, "```json", '"', "'", "\\", "None", "%", "00:12", "\x00", "ü", "null"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=400), st.lists(fragments, max_size=60).map(" ".join)))
def test_any_text_gives_an_answer_or_the_typed_error(text):
    try:
        answer = parse_answer(text)
    except GroundingParseError as error:
        assert error.raw_text == text
    else:
        assert isinstance(answer, Answer)
        for found in answer.objects:
            numbers = [*(found.box or ()), *(v for p in found.points for v in p)]
            assert all(math.isfinite(number) for number in numbers)
    for parse in (parse_span, parse_percent, parse_timestamp, parse_difficulty):
        parse(text)


# -- times and positions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ('{"start": 3, "end": 7.5}', (3, 7.5)),
        ('```json\n[{"start": "00:12.50", "end": "0:15"}]\n```', (12.5, 15)),
        ("12s - 15.5s", (12, 15.5)),
        ("3.2, 7", (3.2, 7)),
        ("1:02:03 to 1:02:10", (3723, 3730)),
        ("[4, 2]", (2, 4)),
        ("<think>maybe 3 to 9</think> from 00:01 until 00:04.5", (1, 4.5)),
        ('{"start_time": "1 min", "end_time": "90 s"}', (60, 90)),
        ("at 9 seconds", None),
        ("I cannot tell", None),
        ('{"start": null, "end": null}', None),
    ],
)
def test_spans(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ('{"percent": 35}', 0.35),
        ('{"percent": "40%"}', 0.4),
        ('{"percent": 0.4}', 0.4),
        ("35 %", 0.35),
        ("0.35", 0.35),
        ("the last 20%", 0.8),
        ("frame 12, at 60 percent", 0.6),
        ("100", 1.0),
        ("1", 0.01),
        ("101", None),
        ("nowhere", None),
    ],
)
def test_positions(text, share):
    found = parse_percent(text)
    assert found == share if share is None else found == pytest.approx(share)


def test_timestamps():
    assert parse_timestamp('{"keyframe_timestamp": 7}') == 7
    assert parse_timestamp("at 00:12") == 12
    assert parse_timestamp("never") is None


# -- difficulty --------------------------------------------------------------------------


def test_a_rating_needs_all_five_axes_between_one_and_ten():
    rating = dict.fromkeys(AXES, 3)
    assert parse_difficulty(json.dumps(rating)) == rating
    assert parse_difficulty("[1, 2, 3, 4, 5]") == dict(zip(AXES, (1, 2, 3, 4, 5), strict=True))
    assert parse_difficulty(json.dumps(rating | {AXES[2]: 11})) is None
    assert parse_difficulty(json.dumps({AXES[0]: 3})) is None
