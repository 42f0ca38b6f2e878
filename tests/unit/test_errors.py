"""Every error can be sent to another process with all that it says."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import videoseg as vs
from videoseg import errors
from videoseg.testing import moving_square

EXAMPLES = {
    "MissingWeightsError": lambda kind: kind(["a", "b"], stages=[("segmenter",), ("chat",)]),
    "ConfigError": lambda kind: kind(["a", "b"]),
    "VideoError": lambda kind: kind("broken", path="a.mp4", frame=3, reader="pyav"),
    "GroundingParseError": lambda kind: kind("no box", raw_text="<answer>"),
    "StageError": lambda kind: kind("failed", stage="grounder", component="mine"),
    "ChatError": lambda kind: kind("failed", component="mine"),
    "ContextLengthError": lambda kind: kind("too long", component="mine"),
    "FrameNotFoundError": lambda kind: kind(7, 5),
    "ShapeError": lambda kind: kind("the mask", actual=(2, 3), expected="(H, W)"),
}

SENT = {
    "pickled": lambda error: pickle.loads(pickle.dumps(error)),
    "copied": copy.copy,
    "deeply copied": copy.deepcopy,
}


def all_kinds():
    return [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("how", SENT)
def test_an_error_arrives_as_it_was(kind, how):
    error = EXAMPLES.get(kind.__name__, lambda kind: kind("what is wrong"))(kind)
    error.partial = None
    arrived = SENT[how](error)
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.args == error.args
    assert vars(arrived) == vars(error)


def test_what_had_been_computed_arrives_with_the_error():
    frames = np.stack([moving_square(4).video[index] for index in range(4)])
    pipe = vs.Pipeline.from_name("attributes")
    error = errors.PropagationError("out of memory")
    error.partial = pipe.propagate(frames, [vs.Prompt(1, 0, box=vs.Box(4, 4, 24, 30))])
    arrived = pickle.loads(pickle.dumps(error))
    assert arrived.partial == error.partial
