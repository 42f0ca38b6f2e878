"""JSON that is none, and the same answer in every spelling."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_r1 import parse_answer
from videoseg_r1.parsing.json_text import read_values

from videoseg.errors import GroundingParseError

BOX = (10, 20, 40, 60)
OTHER = (110, 120, 140, 160)


def boxes(text: str, **options):
    return [found.box for found in parse_answer(text, **options).objects]


TWO = [BOX, OTHER]


@pytest.mark.parametrize(
    "text",
    [
        """[{"bbox_2d": [10, 20, 40, 60], // the dog's box
            "label": "dog"},
           {"bbox_2d": [110, 120, 140, 160]}]""",
        # Where lines were joined into one, a comment does not end.
        '[{"bbox_2d": [10, 20, 40, 60], // it\'s "label": 1}, {"bbox_2d": [110, 120, 140, 160]}]',
        '[{"bbox_2d": [10, 20, 40, 60] /* it\'s a dog */}, {"bbox_2d": [110, 120, 140, 160]}]',
        '[ # it\'s two\n{"bbox_2d": [10, 20, 40, 60]}, {"bbox_2d": [110, 120, 140, 160]}]',
        '[{"bbox_2d": [10, 20, 40, 60]} <!-- it\'s --> {"bbox_2d": [110, 120, 140, 160]}]',
        "[{“bbox_2d”: [10, 20, 40, 60], “label”: “the dog’s”}, {„bbox_2d“: [110, 120, 140, 160]}]",
        "[{‘bbox_2d’: [10, 20, 40, 60]}, {«bbox_2d»: [110, 120, 140, 160]}]",
        "［{'bbox_2d'： ［１０，２０，４０，６０］}，{'bbox_2d'：［110、120、140、160］}］",
        "[{label: the dog's, bbox_2d: [10, 20, 40, 60]}, {bbox_2d: [110, 120, 140, 160]}]",
        '[{"label": "a\ndog", "bbox_2d": [10, 20, 40, 60],}, {"bbox_2d": [110, 120, 140, 160]},]',
        '[{"bbox_2d": [10, 20, 40, 60], "score": NaN}, {"bbox_2d": [110, 120, 140, 160]}, ...]',
        '[{"bbox_2d": [10, 20, 40, 60] "label": "dog"} {"bbox_2d": [110, 120, 140, 160]}]',
        '{"bbox_2d": [10, 20, 40, 60]}\n{"bbox_2d": [110, 120, 140, 160]}',
        '{"dog": {"bbox_2d": [10, 20, 40, 60]}, "cat": {"bbox_2d": [110, 120, 140, 160]}}',
        '{"bbox_2d": [10, 20, 40, 60], "bbox_2d": [110, 120, 140, 160]}',
        "{'bbox_2d': [10, 20, 40, 60], 'bbox_2d': [110, 120, 140, 160]}",
        '{"bbox_1": [10, 20, 40, 60], "bbox_2": [110, 120, 140, 160]}',
        '{"dog_bbox": [10, 20, 40, 60], "cat_bbox": [110, 120, 140, 160]}',
        '{"data": {"result": {"objects": [[[10, 20, 40, 60]], [[[110, 120, 140, 160]]]]}}}',
        "<bbox>10 20 40 60</bbox><bbox>110 120 140 160</bbox>",
        "<ref>dog</ref><box>[[10, 20, 40, 60], [110, 120, 140, 160]]</box>",
        "<|det|>[[10, 20, 40, 60]]<|/det|> <|det|>[[110, 120, 140, 160]]<|/det|>",
    ],
)
def test_two_objects_are_two_however_they_are_written(text):
    assert boxes(text) == TWO


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("[1,024, 200, 1,500, 600]", (1024, 200, 1500, 600)),
        ('{"bbox_2d": ["1,024", "200", "1,500", "600"]}', (1024, 200, 1500, 600)),
        ("[1_024, 200, 1_500, 600]", (1024, 200, 1500, 600)),
        ("[10,5; 20,5; 40,5; 60,5]", (10.5, 20.5, 40.5, 60.5)),
        ('{"bbox_2d": ["10 px", "20 px", "40 px", "60 px"]}', BOX),
        ("[np.int64(10), np.int64(20), np.int64(40), np.int64(60)]", BOX),
        ("10, 20, 40, 60", BOX),
        ("bbox_2d: 10 20 40 60.", BOX),
        ("１０，２０，４０，６０", BOX),
        (r"\left[10, 20, 40, 60\right]", BOX),
        ("It spans from (10, 20) to (40, 60).", BOX),
        ("[10, 20] - [40, 60]", BOX),
        ('{"bbox_2d": [10, 20, 40, 60, 0.9]}', BOX),
        ("[[10, 20, 40, 60, 0.9]]", BOX),
        ('{"bbox": [[10, 20], [40, 20], [40, 60], [10, 60]]}', BOX),
        (
            '{"quad": {"vertices": [{"x": 10, "y": 20}, {"x": 40, "y": 9}, {"x": 9, "y": 60}]}}',
            (9, 9, 40, 60),
        ),
        (r"{\"bbox_2d\": [10, 20, 40, 60]}", BOX),
        ("{&quot;bbox_2d&quot;: [10, 20, 40, 60]}", BOX),
        ('{"answer": "[{\\"bbox_2d\\": [10, 20, 40, 60]}]"}', BOX),
    ],
)
def test_numbers_are_read_with_units_and_separators(text, box):
    assert boxes(text) == [box]


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ('<point x="12.5" y="50" alt="dog">dog</point>', [(0.125, 0.5)]),
        ('<points x1="10" y1="20" x2="30" y2="40" alt="dogs">', [(0.1, 0.2), (0.3, 0.4)]),
    ],
)
def test_points_in_percent_are_shares(text, points):
    objects = parse_answer(text).objects
    assert [found.points[0] for found in objects] == points
    assert {found.space for found in objects} == {"unit"}


@pytest.mark.parametrize("depth", [40, 400, 990, 5000])
def test_deep_answers_are_read_or_refused_but_never_crash(depth):
    assert boxes("[" * depth + "10, 20, 40, 60" + "]" * depth) == [BOX]
    assert parse_answer("[" * depth + "]" * depth).objects == ()
    with pytest.raises(GroundingParseError):
        parse_answer('{"a":' * depth + '"b"' + "}" * depth)


def test_a_label_can_be_written_and_shown():
    label = r"\ud800dog\u001b[2J" + "x" * 500
    [found] = parse_answer(f'[{{"bbox_2d": [10, 20, 40, 60], "label": "{label}"}}]').objects
    assert found.label.encode()
    assert found.label.startswith("\ufffddog\ufffd[2J")
    assert len(found.label) <= 100


def test_comments_and_quotes_are_no_part_of_what_is_read():
    assert read_values("[1, // don't\n 2, \"a // b\", 'c # d']") == [[1, 2, "a // b", "c # d"]]
    assert read_values("{“a”: ‘it’s’}") == [{"a": "it’s"}]


# -- properties ------------------------------------------------------------------------------

coordinates = st.integers(0, 900)


@st.composite
def distinct_boxes(draw):
    # Far enough apart from one another not to be taken for one.
    corners = draw(
        st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=4, unique=True)
    )
    return [(x, y, x + 5 + n, y + 7 + n) for n, (x, y) in enumerate(corners)]


def _listed(order: str):
    places = {"x1": 0, "y1": 1, "x2": 2, "y2": 3}
    return lambda box: [box[places[side]] for side in order.split()]


def _sized(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _mappings(key, numbers):
    return lambda found: json.dumps([{key: numbers(box)} for box in found])


WRITERS = {
    "bbox_2d": _mappings("bbox_2d", list),
    "lists": lambda found: json.dumps([list(box) for box in found]),
    "xywh": _mappings("bbox_xywh", _sized),
    "yxyx": _mappings("box_yxyx", _listed("y1 x1 y2 x2")),
    "sides": lambda found: json.dumps(
        [dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)) for box in found]
    ),
    "single quotes": lambda found: str([{"bbox": list(box)} for box in found]),
    "full width": lambda found: json.dumps([{"bbox_2d": list(box)} for box in found]).translate(
        str.maketrans("[]:,0123456789", "［］：，０１２３４５６７８９")
    ),
    "typographic": lambda found: json.dumps([{"bbox_2d": list(box)} for box in found]).replace(
        '"bbox_2d"', "“bbox_2d”"
    ),
    "commented": lambda found: (
        "[\n" + "".join(f'{{"bbox_2d": {list(box)}}}, // it\'s [one]\n' for box in found) + "]"
    ),
    "fenced": lambda found: f"```json\n{json.dumps([{'bbox_2d': list(b)} for b in found])}\n```",
    "running text": lambda found: " and ".join(f"at {box}" for box in found),
    "tags": lambda found: "".join(f"<box>{' '.join(map(str, box))}</box>" for box in found),
    "corners": lambda found: "".join(f"<box>({a},{b}),({c},{d})</box>" for a, b, c, d in found),
    "lines": lambda found: "\n".join(json.dumps({"bbox_2d": list(box)}) for box in found),
}


@settings(max_examples=150, deadline=None)
@given(distinct_boxes(), st.sampled_from(sorted(WRITERS)), st.booleans())
def test_every_spelling_of_an_answer_reads_to_the_same_boxes(found, writer, thinking):
    text = WRITERS[writer](found)
    if thinking:
        text = f"<think>Not [1, 2, 3, 4].</think><answer>{text}</answer>"
    assert boxes(text) == found


@settings(max_examples=100, deadline=None)
@given(
    st.text(
        alphabet="nNoO tTherseidg[]{}(),.0123\"'“”’：，没有犬ない개없нет\n`<>/|#*", max_size=300
    )
)
def test_any_text_gives_an_answer_or_the_typed_error(text):
    for y_first in (False, True):
        try:
            answer = parse_answer(text, y_first=y_first)
        except GroundingParseError as error:
            assert error.raw_text == text
        else:
            assert len(answer.objects) <= 120
            assert all(box is None or box[0] < box[2] for box in (o.box for o in answer.objects))
