"""The record of an unfinished run is a file that anybody may have changed."""

from __future__ import annotations

import copy
import json
import os

import click
import pytest

from videoseg.cli.framework import Settings
from videoseg.cli.unfinished_run import UnfinishedRun
from videoseg.errors import ConfigError
from videoseg.plugins import Grounded
from videoseg.types import Box, Grounding, Prompt, Trace

PIPELINE = {"videoseg": 1, "sampler": "first", "grounder": "mine", "propagator": "flow"}


@pytest.fixture
def begin(tmp_path, moving_square):
    """Return what makes an unfinished run of a clip."""
    with click.Context(click.Command("run"), obj=Settings()):
        yield lambda: UnfinishedRun(
            tmp_path / "out", query="x", video=moving_square, pipeline=PIPELINE, seed=None
        )


@pytest.fixture
def record(begin, tmp_path):
    """Return the file in which a run has kept its answer."""
    run = begin()
    run.begin(overwrite=False)
    grounding = Grounding(0, (Prompt(1, 0, box=Box(4, 16, 18, 30)),))
    run.videoseg_grounded(Grounded("x", grounding, Trace()))
    run._lock.release()
    return tmp_path / "out.unfinished" / "run.json"


def refusal(begin) -> str:
    with pytest.raises(ConfigError, match="cannot go on from") as caught:
        begin().go_on()
    text = str(caught.value)
    assert len(text) < 700
    assert "--overwrite without --resume" in text
    return text


def test_an_answer_that_was_kept_is_found_again(begin, record):
    assert begin().go_on().grounding.keyframe == 0


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "\x00", "", "[]", "{}", '"x"', "1" * 5000, '{"format": 1}'],
)
def test_what_is_no_record_is_refused(begin, record, text):
    record.write_text(text)
    refusal(begin)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", "5"),
        ("seed", float("nan")),
        ("seed", float("inf")),
        ("seed", []),
        ("video", 5),
        ("video.size", [1]),
        ("video.duration", "x"),
        ("answer", 5),
        ("answer", []),
        ("answer.grounding", None),
        ("answer.grounding.keyframe", 10**9),
        ("answer.grounding.keyframe", "x"),
        ("answer.grounding.prompts", [{}]),
        ("answer.trace", "x" * 10**6),
        ("pipeline", 5),
        ("pipeline.grounder", {"name": []}),
        ("pipeline.chat", {"name": "x", "options": 5}),
    ],
)
def test_a_record_that_was_changed_is_refused(begin, record, path, value):
    document = copy.deepcopy(json.loads(record.read_text()))
    *above, last = path.split(".")
    inner = document
    for part in above:
        inner = inner[part]
    inner[last] = value
    record.write_text(json.dumps(document))
    refusal(begin)


def test_a_pipe_in_place_of_the_record_is_not_waited_for(begin, record):
    record.unlink()
    os.mkfifo(record)
    assert "is a named pipe" in refusal(begin)


def test_what_another_run_was_about_is_told_in_short(begin, record):
    document = json.loads(record.read_text())
    document["query"] = "y" * 10**6
    record.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="is of another run: it was asked 'yyy") as caught:
        begin().go_on()
    assert len(str(caught.value)) < 500
