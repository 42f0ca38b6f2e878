"""Reading true, false and unknown as models write them."""

from __future__ import annotations

import pytest
from videoseg_tracks import parse_verdicts

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
