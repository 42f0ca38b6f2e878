import json

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
    Window,
    from_jsonable,
    to_jsonable,
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
    assert from_jsonable(type(value), json.loads(json.dumps(to_jsonable(value)))) == value


def test_all_problems_of_bad_data_are_listed():
    with pytest.raises(ConfigError) as caught:
        from_jsonable(Window, {"start": "soon", "stop": None})
    assert len(caught.value.problems) == 2
    assert "Window.start" in str(caught.value)
