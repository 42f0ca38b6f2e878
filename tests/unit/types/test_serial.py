import datetime
import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoseg.errors import ConfigError
from videoseg.types import (
    Box,
    Embedding,
    FrameGroup,
    FrameSelection,
    Grounding,
    Look,
    Point,
    Prompt,
    Rle,
    Thought,
    Trace,
    TraceTurn,
    VideoFacts,
    Window,
    from_dict,
    to_dict,
)

floats = st.floats(0, 1000, allow_nan=False)
points = st.builds(Point, floats, floats)
boxes = st.builds(lambda x, y: Box(x, y, x + 3, y + 2), floats, floats)
rles = st.builds(lambda n: Rle.encode(np.arange(12).reshape(3, 4) < n), st.integers(1, 12))
thoughts = st.builds(
    Thought,
    st.text(),
    st.text(),
    num_tokens=st.none() | st.integers(0, 99),
    details=st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
)
prompts = st.builds(
    Prompt,
    st.integers(1, 9),
    st.integers(0, 9),
    box=boxes,
    points=st.lists(points).map(tuple),
    negative_points=st.lists(points).map(tuple),
    mask=st.none() | rles,
    embedding=st.none() | st.just(Embedding("model", (0.5, -1.0))),
    label=st.text(),
    score=st.none() | st.floats(0, 1),
)
unique_prompts = st.lists(prompts, unique_by=lambda p: (p.object_id, p.frame)).map(tuple)
groundings = st.builds(Grounding, st.integers(0, 9), unique_prompts, thoughts)
windows = st.builds(lambda start: Window(start, start + 5), st.integers(0, 9))
selections = st.builds(
    FrameSelection,
    st.just((FrameGroup("context", (1, 2)), FrameGroup("keyframe", (2,), 1000))),
    windows,
    st.none() | st.floats(0, 1),
    st.text(),
)
traces = st.builds(
    Trace,
    st.lists(
        st.builds(TraceTurn, selections, st.sampled_from(["look", "answer"]), thoughts, windows)
    ).map(tuple),
)
values = prompts | groundings | selections | st.builds(Look, windows) | traces


@given(values)
def test_what_passes_between_stages_survives_json(value):
    assert from_dict(type(value), json.loads(json.dumps(to_dict(value)))) == value


def test_all_problems_of_bad_data_are_listed():
    with pytest.raises(ConfigError) as caught:
        from_dict(Window, {"start": "soon", "stop": None})
    assert len(caught.value.problems) == 2
    assert "Window.start" in str(caught.value)


def test_values_of_other_libraries_become_plain():
    details = {
        "number": np.float32(0.5),
        "count": np.int64(3),
        "flag": np.True_,
        "array": np.arange(4).reshape(2, 2),
        "scalar": np.array(7),
        "set": {1},
        "path": Path("a/b"),
        "when": datetime.date(2024, 5, 6),
        "bytes": b"text",
        "mapping": MappingProxyType({"a": (1, 2)}),
        "mask": Rle.encode(np.ones((1, 1), bool)),
        np.int64(5): "five",
        True: "yes",
        None: "nothing",
    }
    data = to_dict(Thought(details=details))["details"]
    assert json.loads(json.dumps(data)) == {
        "number": 0.5,
        "count": 3,
        "flag": True,
        "array": [[0, 1], [2, 3]],
        "scalar": 7,
        "set": [1],
        "path": "a/b",
        "when": "2024-05-06",
        "bytes": "text",
        "mapping": {"a": [1, 2]},
        "mask": {"size": [1, 1], "counts": "01"},
        "5": "five",
        "true": "yes",
        "null": "nothing",
    }


def test_the_part_of_a_name_that_is_not_utf8_can_be_read_back():
    facts = VideoFacts("clip", "caf\udce9.mp4", 1, (4, 5), 1.0, 1.0, "pyav")
    assert from_dict(VideoFacts, json.loads(json.dumps(to_dict(facts)))) == facts


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)
DEEP: list[object] = []
for _ in range(5000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (object(), "is of type object"),
        (len, "is of type"),
        (b"\xff", "is of type bytes"),
        (CIRCLE, "holds itself"),
        (DEEP, "nested too deeply"),
        (10**5000, "too many digits"),
        (np.zeros(2**21), "more than 1,048,576 values"),
        (np.array([object()]), "is of type"),
        ({(1, 2): 3}, "a key of"),
    ],
    ids=["object", "function", "bytes", "circle", "deep", "long", "large", "objects", "key"],
)
def test_what_json_cannot_hold_is_told_with_its_place(value, what):
    with pytest.raises(ConfigError, match=what) as caught:
        to_dict(Grounding(None, thought=Thought(details={"here": {"x": value}})))
    [problem] = caught.value.problems
    assert "cannot be written as JSON" in problem
    assert problem.startswith(("Grounding.thought.details['here']['x']", "a key of Grounding"))
    assert len(problem) < 400


def test_every_place_that_json_cannot_hold_is_told():
    with pytest.raises(ConfigError) as caught:
        to_dict(Thought(details={"a": object(), "b": [1, object()]}))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("data", [DEEP, None, 7, "text", [], {"start": {}, "stop": []}])
def test_data_of_another_form_is_a_config_error(data):
    with pytest.raises(ConfigError):
        from_dict(Window, data)
    with pytest.raises(ConfigError):
        from_dict(Thought, {"details": data, "text": data} if data is not DEEP else DEEP)


def test_the_place_of_a_problem_is_short_and_printable():
    details = {"\x1b[31m" + "x" * 9999: "y"}
    with pytest.raises(ConfigError) as caught:
        from_dict(Trace, {"turns": [details]})
    for problem in caught.value.problems:
        assert len(problem) < 300
        assert "\x1b" not in problem


def test_runs_read_from_json_are_checked():
    data = to_dict(Prompt(1, 0, mask=Rle.encode(np.eye(4, dtype=bool))))
    for counts in ("", "1", "`" * 9, "\ud800"):
        data["mask"]["counts"] = counts
        with pytest.raises(ConfigError, match="RLE"):
            from_dict(Prompt, data)
