"""What the model says in one turn, read strictly as released and with repairs as extended."""

from __future__ import annotations

import time

import pytest
from videoseg_o3 import parse_thinking, parse_turn

import videoseg as vs

WHOLE = vs.Window(0, 60)
THINK = "<think>It moves.</think>"


def read(text, *, must_answer=False, whole=WHOLE):
    """Return the turn as released, then as extended."""
    return (
        parse_turn(text, whole=whole, behavior="released"),
        parse_turn(text, whole=whole, must_answer=must_answer),
    )


def seen(turn):
    """Return what matters of a turn: kind, first and last frame, keyframe."""
    window = turn.window and (turn.window.start, turn.window.stop - 1)
    return turn.kind, window, turn.keyframe


def select(body, vtg=True):
    inner = f"<VTG>{body}</VTG> <RefSeg>[SEG]</RefSeg>" if vtg else body
    return f"{THINK}<select>{inner}</select>"


@pytest.mark.parametrize("vtg", [True, False], ids=["with-vtg", "without-vtg"])
def test_a_valid_select(vtg):
    for turn in read(select('{"start": 12, "end": 40, "keyframe": 25}', vtg)):
        assert seen(turn) == ("select", (12, 40), 25)
        assert (turn.reason, turn.warnings) == ("", ())
        assert turn.thinking.text == "It moves."


def test_a_valid_answer():
    text = (
        f'{THINK}<answer><VTG>{{"start": 5, "end": 11, "keyframe": 9}}</VTG>, '
        "<RefSeg>[SEG]</RefSeg></answer>"
    )
    for turn in read(text):
        assert seen(turn) == ("answer", (5, 11), 9)
        assert turn.warnings == ()
    assert read(text)[0].answer_keyframe == 9


OK = ("select", (12, 40), 25)

# The text of a select; what is read as released; what is read as extended; a word of the reason
# or warning of the latter.
CASES = [
    pytest.param('{"end": 40, "keyframe": 25}', ("malformed", None, None),
                 ("malformed", None, 25), "no start", id="no-start"),
    pytest.param('{"start": 12, "keyframe": 25}', ("malformed", None, None),
                 ("malformed", None, 25), "no end", id="no-end"),
    pytest.param('{"start": 12, "end": 40}', ("malformed", None, None),
                 ("select", (12, 40), None), "no keyframe", id="no-keyframe"),
    pytest.param('{"start": 12, "end": 40, "key frame": 25}', ("malformed", None, None),
                 OK, "", id="key-frame-with-blank"),
    pytest.param('{"start": 12, "end": 40, "key_frame": 25}', ("malformed", None, None),
                 OK, "", id="key-frame-with-underscore"),
    pytest.param('{"Start": 12, "END": 40, "Key-Frame": 25}', ("malformed", None, None),
                 OK, "", id="other-case"),
    pytest.param('{"start_frame": 12, "end_frame": 40, "keyframe_index": 25}',
                 ("malformed", None, None), OK, "", id="longer-names"),
    pytest.param('{"window": [12, 40], "keyframe": 25}', ("malformed", None, None),
                 OK, "", id="window"),
    pytest.param('{"start": 40, "end": 12, "keyframe": 25}', ("malformed", None, 25),
                 OK, "swapped", id="swapped"),
    pytest.param('{"start": -5, "end": 99, "keyframe": 25}', ("select", (0, 59), 25),
                 ("select", (0, 59), 25), "not all in the video", id="out-of-range"),
    pytest.param('{"start": 70, "end": 90, "keyframe": 80}', ("malformed", None, 59),
                 ("select", (59, 59), 59), "not all in the video", id="behind-the-video"),
    pytest.param('{"start": 12, "end": 40, "keyframe": 99}', ("select", (12, 40), 59),
                 ("select", (12, 40), 40), "not in the video", id="keyframe-behind-the-video"),
    pytest.param('{"start": 12, "end": 40, "keyframe": 50}', ("select", (12, 40), 50),
                 ("select", (12, 40), 40), "outside the range", id="keyframe-outside"),
    pytest.param('{"start": "12", "end": "40", "keyframe": "25"}', OK, OK, "", id="text"),
    pytest.param('{"start": 12.0, "end": 40.2, "keyframe": 24.7}', ("select", (12, 40), 24),
                 OK, "read as", id="fractions"),
    pytest.param("{'start': 12, 'end': 40, 'keyframe': 25}", ("malformed", None, None),
                 OK, "", id="python-literal"),
    pytest.param('{"start": 12, "end": 40, "keyframe": 25,}', ("malformed", None, None),
                 OK, "", id="trailing-comma"),
    pytest.param("start=12, end=40, keyframe=25", ("malformed", None, None),
                 OK, "", id="no-json"),
    pytest.param('```json\n{"start": 12, "end": 40, "keyframe": 25}\n```',
                 ("malformed", None, None), OK, "", id="fenced"),
    pytest.param('[{"start": 12, "end": 40, "keyframe": 25}]', ("malformed", None, None),
                 OK, "", id="list"),
    pytest.param('{"start": null, "end": 40, "keyframe": 25}', ("malformed", None, None),
                 ("malformed", None, 25), "no start", id="null"),
    pytest.param('{"start": Infinity, "end": 40, "keyframe": 25}', ("malformed", None, None),
                 ("malformed", None, 25), "no start", id="infinity"),
    pytest.param("", ("malformed", None, None), ("malformed", None, None), "no start and no end",
                 id="empty"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "released", "extended", "word"), CASES)
@pytest.mark.parametrize("vtg", [True, False], ids=["with-vtg", "without-vtg"])
def test_each_form_of_a_select_has_its_outcome(body, released, extended, word, vtg):
    strict, lenient = read(select(body, vtg))
    assert seen(strict) == released
    assert bool(strict.reason) == (released[0] == "malformed")
    assert seen(lenient) == extended
    told = " ".join((lenient.reason, *lenient.warnings))
    assert word in told
    assert bool(told.strip()) == bool(word)
    assert bool(lenient.reason) == (extended[0] == "malformed")


def test_truncated_selects():
    whole = '<select>{"start": 12, "end": 40, "keyframe": 25}'
    assert [seen(turn) for turn in read(whole)] == [("malformed", None, None), OK]
    # The last digit of the keyframe may be missing.
    strict, lenient = read(whole.removesuffix("}"))
    assert seen(strict) == ("malformed", None, None)
    assert lenient.kind == "malformed"
    assert "breaks off" in lenient.reason
    for text in ("<select>", "<select><VTG>", f"{THINK}<select>{{", "<think>It mov", "", "  "):
        assert [turn.kind for turn in read(text)] == ["malformed", "malformed"]
        assert all(turn.reason for turn in read(text))


def test_two_selects_are_the_first():
    first = '<select>{"start": 1, "end": 2, "keyframe": 1}</select>'
    second = '<select>{"start": 3, "end": 4, "keyframe": 3}</select>'
    strict, lenient = read(f"{THINK}{first} or {second}")
    assert seen(strict) == seen(lenient) == ("select", (1, 2), 1)
    assert "several times" in lenient.warnings[0]


def test_a_select_wins_over_an_answer_unless_it_must_answer():
    text = (
        '<select>{"start": 1, "end": 2, "keyframe": 1}</select>'
        '<answer>{"start": 3, "end": 4, "keyframe": 3}</answer>'
    )
    strict, lenient = read(text)
    assert seen(strict) == seen(lenient) == ("select", (1, 2), 1)
    assert "is ignored" in lenient.warnings[0]
    strict, lenient = read(text, must_answer=True)
    assert seen(strict) == ("select", (1, 2), 1)
    assert seen(lenient) == ("answer", (3, 4), 3)
    assert "only its answer counts" in lenient.warnings[0]


def test_of_two_answers_the_first_keyframe_counts_as_released_and_the_last_as_extended():
    first = '<answer><VTG>{"start": 1, "end": 2, "keyframe": 1}</VTG></answer>'
    second = '<answer><VTG>{"start": 3, "end": 4, "keyframe": 3}</VTG></answer>'
    strict, lenient = read(f"{THINK}{first}{second}<answer> </answer>")
    assert seen(strict) == ("answer", (1, 2), 1)
    assert seen(lenient) == ("answer", (3, 4), 3)
    assert "several times" in lenient.warnings[0]


def test_tags_inside_the_reasoning_are_words():
    text = (
        "<think>I could <select> more, or give an <answer>.</think>"
        '<answer>{"start": 3, "end": 4, "keyframe": 3}</answer>'
    )
    assert seen(read(text)[1]) == ("answer", (3, 4), 3)
    # As released, whatever lies between the first tags counts.
    text = '<think><select>{"start": 1, "end": 2, "keyframe": 1}</select></think>'
    assert [seen(turn) for turn in read(text)] == [("select", (1, 2), 1)] * 2


def test_a_dialogue_that_the_model_invents_ends_with_its_first_select():
    text = (
        '<think>a</think><select>{"start": 1, "end": 2, "keyframe": 1}</select>'
        'user: here they are <think>b</think><answer>{"keyframe": 2, "objects": []}</answer>'
    )
    for turn in read(text):
        assert seen(turn) == ("select", (1, 2), 1)
        assert turn.thinking.text == "a"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"start": 12, "end": 40, "keyframe": 25}', "select"),
        ('```json\n{"start": 12, "end": 40, "key_frame": 25}\n```', "select"),
        ('{"start": 12, "end": 40, "keyframe": 25, "objects": []}', "answer"),
        ('[{"bbox_2d": [1, 2, 3, 4]}]', "answer"),
        ("I would like to see more.", "malformed"),
        ("[1, 2, 3, 4]", "malformed"),
    ],
)
def test_without_tags_json_with_the_right_keys_is_read(text, kind):
    strict, lenient = read(f"{THINK}{text}")
    assert strict.kind == "malformed"
    assert lenient.kind == kind


def test_as_released_the_keyframe_of_a_final_turn_comes_from_its_first_vtg():
    text = '<think><VTG>{"keyframe": 7}</VTG></think><select>broken</select>'
    strict, _ = read(text)
    assert seen(strict) == ("malformed", None, None)
    assert strict.answer_keyframe == 7
    strict, _ = read('<VTG>{"keyframe": 99}</VTG>')
    assert strict.answer_keyframe == 59
    for broken in ("", "<VTG>12</VTG>", '<VTG>{"start": 1}</VTG>', "<VTG>[]</VTG>"):
        assert read(broken)[0].answer_keyframe is None


def test_a_part_of_a_video_and_a_video_of_one_frame():
    text = select('{"start": 0, "end": 99, "keyframe": 50}')
    for turn in read(text, whole=vs.Window(10, 20)):
        assert seen(turn) == ("select", (10, 19), 19)
    for turn in read(text, whole=vs.Window(0, 1)):
        assert seen(turn) == ("select", (0, 0), 0)


def test_reading_takes_time_proportional_to_the_text():
    parts = ["<select>", "<think>", "<answer>{", "<VTG>", "</think>", "Step 1: ", "Action "]
    parts += ['"start": ', "\n#", "\n", "9" * 9, "temporal ", "- "]
    begin = time.perf_counter()
    for part in parts:
        for text in (part * 20_000, f"<think>{part * 20_000}"):
            assert {turn.kind for turn in read(text)} <= {"select", "answer", "malformed"}
    assert time.perf_counter() - begin < 20


# -- the parts of the reasoning ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Step 1: it starts late. Step 2: on the left. Step 3: 'first' is asked. Action: look.",
        "**Step 1:** it starts late.\n**Step 2:** on the left.\n**Step 3:** 'first' is asked.\n"
        "**Action:** look.",
        "### Step 1 - Temporal dynamics\nit starts late.\n### STEP 2 - Spatial details\n"
        "on the left.\n### step 3\n'first' is asked.\n### ACTION\nlook.",
        "Step 1 (Temporal): it starts late.\nStep 2 (Spatial): on the left.\n"
        "Step 3 (Expression): 'first' is asked.\nAction: look.",
        "Step 3 (Linguistic): 'first' is asked.\nStep 2: Spatial details: on the left.\n"
        "Step 1: Temporal analysis: it starts late.\nNext action: look.",
        "Temporal: it starts late.\nSpatial: on the left.\nLinguistic: 'first' is asked.\n"
        "Action: look.",
        "Step 1. it starts late. Step 2. on the left. Step 3. 'first' is asked. Action: look.",
        "So.\n\nStep 1 (spatial): on the left.\nStep 2 (temporal): it starts late.\n"
        "Step_3: 'first' is asked.\naction: look.",
    ],
    ids=["one-line", "bold", "headings", "named", "other-order", "names-only", "dots", "misnamed"],
)
def test_the_parts_are_found_in_many_forms(text):
    thinking = parse_thinking(text)
    assert thinking.text == text
    assert thinking.temporal == "it starts late."
    assert thinking.spatial == "on the left."
    assert thinking.linguistic == "'first' is asked."
    assert thinking.action == "look."


def test_parts_may_be_missing_and_mentions_are_no_headings():
    text = "Step 2: as in step 1 of the film, the main action happens on the left."
    thinking = parse_thinking(text)
    assert (thinking.temporal, thinking.linguistic, thinking.action) == ("", "", "")
    assert thinking.spatial == text.removeprefix("Step 2: ")
    assert parse_thinking("no parts").temporal == ""


def test_the_reasoning_needs_no_tags():
    answer = '<answer>{"objects": []}</answer>'
    for text in (
        f"Step 1: late.</think>{answer}",
        f"Step 1: late. {answer}",
        f"<think>Step 1: late.{answer}",
        f"<thinking>Step 1: late.</thinking>{answer}",
    ):
        for turn in read(text):
            assert turn.thinking.temporal == "late."
