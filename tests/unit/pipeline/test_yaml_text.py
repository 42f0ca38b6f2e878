"""YAML of foreign origin is read within bounds, or refused in one short line."""

from __future__ import annotations

import itertools
import time

import pytest

from videoseg.pipeline.yaml_text import MAX_CHARACTERS, parse_yaml


def test_plain_values_come_as_they_are_meant():
    text = "{text: a, whole: 8, half: 0.5, yes: true, none: null, list: [1, 2]}"
    assert parse_yaml(text.replace("yes", "is")) == {
        "text": "a",
        "whole": 8,
        "half": 0.5,
        "is": True,
        "none": None,
        "list": [1, 2],
    }


def test_a_date_is_text():
    assert parse_yaml("2025-11-20") == "2025-11-20"


def test_anchors_aliases_and_merges_may_be_used():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n"
    a = {"x": 1, "y": 2}
    assert parse_yaml(text) == {"a": a, "b": {"x": 1, "y": 3}, "c": [a, a]}


def test_halves_of_surrogate_pairs_are_joined_or_replaced():
    assert parse_yaml(r'"\uD83D\uDE00 \uD83D"') == "\U0001f600 \ufffd"


def laughs(levels: int) -> str:
    letters = "abcdefghijklmnop"[:levels]
    lines = ["&a [x,x,x,x,x,x,x,x,x,x]"]
    for earlier, later in itertools.pairwise(letters):
        lines.append(f"&{later} [{','.join([f'*{earlier}'] * 10)}]")
    return f"[{', '.join(lines)}]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (laughs(10), "more than 50,000 characters with its aliases"),
        ("[&a [*a]]", "alias refers to the node that contains it"),
        ("a: &x {<<: *x}", "alias refers to the node that contains it"),
        ("[" * 30_000, "nested more than 20 levels deep"),
        ("- " * 20_000, "nested more than 20 levels deep"),
        ("&a [[[[[[[[[[[[x]]]]]]]]]]]]".join(["[", ", [[[[[[[[[[*a]]]]]]]]]]]"]), "20 levels"),
        ("1" * 6000, "a number has 6,000 characters"),
        ("0x" + "f" * 6000, "a number has 6,002 characters"),
        ("x" * (MAX_CHARACTERS + 1), f"at most {MAX_CHARACTERS:,} are read"),
        ("{a: 1, b: 2, a: 3}", "the key 'a' is in line 1 and again here"),
        ("a: 1\nb: 2\na: 3\n", "line 3"),
        ("x: {1: a, 0x1: b}", "the key 1 is"),
        ("{[a]: b}", "a key must be text or a number"),
        ("!!python/object/apply:os.system [true]", "python/object/apply:os.system' is not"),
        ("!!binary aGVsbG8=", "is not allowed"),
        ("!!set {a, b}", "is not allowed"),
        ("!!int ''", "does not fit its tag"),
        ("!!bool maybe", "does not fit its tag"),
        ("--- a\n--- b\n", "expected a single document in the stream, but found another"),
        ("a: &x 1\nb: &x 2\n", "found duplicate anchor 'x'"),
        ("\x00", "special characters are not allowed"),
        ("caf\udce9", "special characters are not allowed"),
        ("[unclosed", "expected"),
    ],
)
def test_what_is_no_configuration_is_refused_at_once(text, said):
    begin = time.process_time()
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        parse_yaml(text)
    assert time.process_time() - begin < 1
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500
