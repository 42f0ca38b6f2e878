"""The checkpoint of a run is read as an untrusted file, and refused if it is of another run."""

from __future__ import annotations

import copy
import json
import os

import click
import pytest

from videoseg.cli.checkpoint import Checkpoint, _changed_stages
from videoseg.cli.framework import Settings
from videoseg.errors import ConfigError
from videoseg.plugins import Grounded
from videoseg.types import Box, Grounding, Prompt, Trace, VideoPart

PIPELINE = {"videoseg": 1, "sampler": "first", "grounder": "mine", "propagator": "flow"}


@pytest.fixture
def begin(tmp_path, moving_square):
    """Return a function that makes a checkpoint for a clip."""
    with click.Context(click.Command("run"), obj=Settings()):
        yield lambda: Checkpoint(
            tmp_path / "out", query="x", video=moving_square, pipeline=PIPELINE, seed=None
        )


@pytest.fixture
def record(begin, tmp_path):
    """Return the record of a run that has its answer."""
    run = begin()
    run.start(overwrite=False)
    grounding = Grounding(0, (Prompt(1, 0, box=Box(4, 16, 18, 30)),))
    run.videoseg_grounded(Grounded("x", grounding, Trace()))
    run._lock.release()
    return tmp_path / "out.unfinished" / "run.json"


def refusal(begin) -> str:
    with pytest.raises(ConfigError, match="cannot resume from") as caught:
        begin().resume()
    text = str(caught.value)
    assert len(text) < 700
    assert "--overwrite without --resume" in text
    return text


def test_an_answer_that_was_kept_is_found_again(begin, record):
    assert begin().resume()[0].keyframe == 0


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
    with pytest.raises(ConfigError, match="belongs to another run: its query is 'yyy") as caught:
        begin().resume()
    assert len(str(caught.value)) < 500


# -- which changes a resumed run accepts ---------------------------------------------------------


def openai(**options):
    return {"name": "openai", "options": options}


def recorded(model):
    return {"name": "record", "options": {"path": "said.jsonl", "model": model}}


@pytest.mark.parametrize(
    ("earlier", "now", "same"),
    [
        (openai(model="a", base_url="x"), openai(model="a", base_url="y"), True),
        (openai(model="a"), openai(model="b"), False),
        (openai(model="a"), {"name": "transformers", "options": {"model": "a"}}, False),
        (recorded(openai(model="a", base_url="x")), recorded(openai(model="a")), True),
        (recorded(openai(model="a")), recorded(openai(model="b")), False),
        ("oracle", "oracle", True),
        ("oracle", None, False),
    ],
)
def test_a_chat_model_is_told_by_its_name_and_its_model(earlier, now, same):
    problems = list(_changed_stages({"chat": earlier}, {"chat": now}, answered=False))
    assert (problems == []) is same


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, VideoPart(2, 6, size=(24, 32)), "it asked about the whole video"),
        (VideoPart(0, 6, 2, (24, 32)), None, "it asked about frames 0 to 4, every 2, at 32x24"),
        (VideoPart(0, 6, size=(9, 9)), VideoPart(0, 6, size=(9, 9)), None),
    ],
)
def test_an_answer_is_not_that_of_another_part(tmp_path, moving_square, before, now, told):
    def checkpoint(part):
        more = {"query": "x", "video": moving_square, "pipeline": PIPELINE, "seed": None}
        return Checkpoint(tmp_path / "out", part=part, **more)

    with click.Context(click.Command("run"), obj=Settings()):
        run = checkpoint(before)
        run.start(overwrite=False)
        run.videoseg_grounded(Grounded("x", Grounding(None), Trace()))
        run._lock.release()
        if told is None:
            assert checkpoint(now).resume() is not None
        else:
            with pytest.raises(ConfigError, match=told):
                checkpoint(now).resume()
