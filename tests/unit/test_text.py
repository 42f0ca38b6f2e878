"""Text of foreign origin, parsed and shown within bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoseg.text import (
    format_count,
    format_list,
    parse_json,
    printable,
    shorten,
    shorten_text,
    well_formed,
)


@pytest.mark.parametrize(
    "data", ['{"a": 1}', b'{"a": 1}', '\ufeff{"a": 1}', b'\xef\xbb\xbf{"a": 1}']
)
def test_json_is_parsed_with_or_without_a_byte_order_mark(data: str | bytes) -> None:
    assert parse_json(data) == {"a": 1}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("{", "line 1 column 2"),
        (b"\xff\xfe", r"not UTF-8 text \(byte 0\)"),
        ("9" * 5000, "digits"),
    ],
)
def test_json_that_cannot_be_parsed_is_one_kind_of_error(data: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        parse_json(data)
    assert type(raised.value) is ValueError
    assert len(str(raised.value)) <= 200


def test_constants_that_are_not_json_can_be_refused() -> None:
    assert parse_json("[Infinity]") == [float("inf")]
    with pytest.raises(ValueError, match="NaN is not a JSON number"):
        parse_json("[NaN]", allow_nan=False)


@pytest.mark.timeout(5)
def test_a_value_with_shared_parts_is_shortened_at_once() -> None:
    value: Any = ["laugh" * 10]
    for _ in range(60):
        value = [value] * 10
    assert len(shorten(value)) <= 80


@pytest.mark.parametrize(
    "value",
    [10**6000, -(10**6000), "x" * 10**6, {"a": {"b": [[[[1]]]]}}],
    ids=["large", "negative", "text", "nested"],
)
def test_a_long_value_is_shortened(value: object) -> None:
    assert len(shorten(value, 40)) <= 40


@pytest.mark.parametrize("value", [1, -2.5, "text", [1, 2], {"a": None}, True])
def test_a_short_value_is_shown_whole(value: object) -> None:
    assert shorten(value) == repr(value)


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert well_formed("caf\udce9") == "caf\ufffd"
    assert well_formed("\ud83d\ude00 é") == "😀 é"


@given(st.text(alphabet=st.characters(categories=None)))
def test_every_text_becomes_well_formed(text: str) -> None:
    well_formed(text).encode("utf-8")


@given(st.text(alphabet=st.characters(categories=None)))
def test_nothing_printable_holds_a_control_character(text: str) -> None:
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in printable(text))
    printable(text).encode("utf-8")


def test_text_without_control_characters_is_shown_as_it_is() -> None:
    assert printable("naïve 図 👨‍👩‍👧") == "naïve 図 👨‍👩‍👧"
    assert printable("a\x1b[31mb\u202ec\nd") == "a\ufffd[31mb\ufffdc d"
    assert printable("a\nb", keep="\n") == "a\nb"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("the dog that jumps over the fence", 20, "the dog that..."),
        ("the dog that jumps", 15, "the dog that..."),
        ("x" * 30, 10, "xxxxxxx..."),
        ("a " + "狗" * 30, 12, "a " + "狗" * 7 + "..."),
        ("word\n\nanother paragraph", 10, "word..."),
        (" " * 20, 10, "..."),
    ],
)
def test_a_long_text_is_cut_at_the_end_of_a_word(text, limit, expected):
    shown = shorten_text(text, limit)
    assert shown == expected
    assert len(shown) <= limit


def test_counts_and_lists_read_well():
    assert [format_count(number, "frame") for number in (0, 1, 2)] == [
        "0 frames",
        "1 frame",
        "2 frames",
    ]
    assert format_list(["a", "b"], 2) == "a, b"
    assert format_list(["a", "b", "c"], 2) == "a, b and 1 more"
    assert format_list([], 2) == ""
