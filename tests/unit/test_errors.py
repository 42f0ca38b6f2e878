"""Every error can be sent to another process with all that it says."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

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
    "UnknownNameError": lambda kind: kind("no such thing", names=["unicorn"]),
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


def test_every_package_of_the_core_has_its_command():
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    listed = pyproject.partition("\ndependencies = [")[2].partition("]")[0]
    needed = set(re.findall(r'"([a-z0-9-]+)[>=<~]', listed))
    assert set(errors.CORE_PACKAGES.values()) == needed
    for module, package in errors.CORE_PACKAGES.items():
        found = errors.MissingDependencyError.of(ModuleNotFoundError("none", name=module))
        assert str(found).endswith(f"{package}, which is not installed: pip install {package}")


def test_a_package_that_is_too_old_is_named_with_the_reason():
    old = ImportError("cannot import name 'x' from 'filelock'", name="filelock")
    text = str(errors.MissingDependencyError.of(old))
    assert "filelock, which cannot be imported (cannot import name 'x'" in text
    assert text.endswith("pip install --upgrade --force-reinstall filelock")


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("no module", name="torch"),
        ModuleNotFoundError("no module", name="videoseg.nothing"),
        ImportError("libGL.so.1: no such file"),
        ValueError("yaml"),
    ],
)
def test_other_failures_are_not_blamed_on_a_package_of_the_core(error):
    assert errors.MissingDependencyError.of(error) is None
