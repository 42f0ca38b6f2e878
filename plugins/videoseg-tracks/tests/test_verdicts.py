"""Reading true, false and unknown as models write them."""

from __future__ import annotations

import contextlib

import pytest
from videoseg_tracks import parse_names, parse_verdicts

from videoseg.errors import GroundingParseError


@pytest.mark.parametrize(
    "text",
    [
        '{"true": [1], "false": [2], "unknown": [3]}',
        '<think>{"true": [2]} at first.</think><answer>{"true": [1], "false": [2]}</answer>',
        "```json\n{'true': [1,], 'false': [2], 'unknown': ['3']}\n```",
        '{"True": ["object 1"], "FALSE": "2", "unknown": []}',
        '{"true": 1, "false": [2.0]}',
        '{"1": true, "2": false, "3": "unknown"}',
        '{"object 1": "yes", "object 2": "no", "object 3": "unsure"}',
        '[{"id": 1, "verdict": "true"}, {"id": 2, "verdict": "false"}]',
        '{"verdicts": {"true": [1], "false": [2]}}',
        '{"true": {"1": "it is red"}, "false": {"2": "it is blue"}}',
        '{"verdicts": {"true": [1], "false": [2]}, "unknown": []}',
        '[{"true": [1]}, {"false": [2]}]',
        '{"1": "True.", "2": "**false**"}',
        '{"1": {"verdict": "true", "why": "red"}, "2": {"verdict": "false"}}',
        '{"true": ["1 (like 3, at 2.5 s)"], "false": ["object 2, not 1"]}',
        '{"true": "objects 1 and 1234563", "false": ["#2"]}',
        '{"true": [1], "false": ["2", "-3"]}',
        '[{"id": 1, "match": true}, {"id": 2, "match": false}]',
    ],
)
def test_each_number_gets_its_verdict(text):
    assert parse_verdicts(text, [1, 2, 3]).of == {1: "true", 2: "false", 3: "unknown"}


@pytest.mark.parametrize("text", ["", "true", "1 and 2", "[]", "[1, 2]", "{}", '{"a": []}'])
def test_what_says_nothing_of_any_number_is_an_error(text):
    with pytest.raises(GroundingParseError, match="puts no number"):
        parse_verdicts(text, [1, 2, 3])


def test_empty_lists_leave_everything_unknown():
    verdicts = parse_verdicts('{"true": [], "false": [], "unknown": []}', [1, 2])
    assert verdicts.ids("unknown") == (1, 2)
    assert "said nothing of numbers 1, 2" in verdicts.warnings[0]


def test_the_reasoning_is_kept():
    verdicts = parse_verdicts('<think>It is red.</think>{"true": [1]}', [1])
    assert (verdicts.thought, verdicts.warnings) == ("It is red.", ())


@pytest.mark.parametrize("shape", ['{"true": %s1%s}', '{"1": "true", "2": %s%s}', '{"a": %s{}%s}'])
def test_nesting_of_any_depth_is_no_other_error(shape):
    # Some depths can be decoded, but not walked through by functions that call themselves.
    for depth in (9, 800, 950, 1000, 5000):
        with contextlib.suppress(GroundingParseError):
            parse_verdicts(shape % ("[" * depth, "]" * depth), [1])


def test_a_number_of_an_entry_is_not_taken_for_a_denial():
    with pytest.raises(GroundingParseError):
        parse_verdicts('[{"no": 1, "verdict": "true"}]', [1])


def test_names_in_one_text_are_taken_apart():
    assert parse_names('{"names": "the dog, a cat"}') == ("dog", "cat")
    assert parse_names('["dog/animal", "\u732b"]') == ("dog", "animal", "\u732b")
