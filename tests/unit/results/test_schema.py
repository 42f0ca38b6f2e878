"""The published schema is that of what is written. ``test_result_folder`` tries any result."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from result_schemas import schema_problems
from toy_stages import AnswersAt, BoxIsMask, EverySecond, Hold

import videoseg as vs
from videoseg.cli.main import main
from videoseg.results import result_schema
from videoseg.types import Grounding, Look, Thought, Window
from videoseg.video import Video


class SaysNo:
    def step(self, episode):
        return Grounding(None, (), Thought("nothing is there"), judged=("dog",))


@pytest.mark.parametrize(
    "pipeline",
    [
        pytest.param(lambda: vs.Pipeline.from_name("attributes"), id="attributes"),
        pytest.param(
            lambda: vs.Pipeline(
                EverySecond(),
                AnswersAt([(1, 2), (2, 5)], looks=[Look(Window(2, 9), 4, Thought("look closer"))]),
                Hold(),
                segmenter=BoxIsMask(),
            ),
            id="looks",
        ),
        pytest.param(lambda: vs.Pipeline(EverySecond(), SaysNo(), Hold()), id="absent"),
    ],
)
def test_what_pipelines_write_fits_the_schema(pipeline, clip, tmp_path):
    with Video.from_frames(clip.frames, fps=clip.fps) as video, pipeline() as pipe:
        pipe(video, "the largest object").save(tmp_path / "out", parts=())
    assert not schema_problems(tmp_path / "out" / "result.json")


def test_what_is_given_fits_the_schema(result, tmp_path):
    folder = result.save(tmp_path / "out", parts=())
    assert not schema_problems(folder / "result.json")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda data: data.pop("warnings"), "$"),
        (lambda data: data.update(schema_version=2), "$.schema_version"),
        (lambda data: data["grounding"].update(status="perhaps"), "$.grounding.status"),
        (lambda data: data["tracks"][0]["masks"].append({"counts": "1"}), "$.tracks[0].masks"),
        (lambda data: data["video"].update(size=[1]), "$.video.size"),
        (lambda data: data.update(extra=1), "$"),
    ],
)
def test_what_is_not_written_does_not_fit(result, tmp_path, change, place):
    path = result.save(tmp_path / "out", parts=()) / "result.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    problems = schema_problems(path)
    assert problems
    assert all(problem.startswith(place) for problem in problems)


def test_every_field_is_described():
    schema = result_schema()
    assert all(part.get("description") for part in (schema, *schema["$defs"].values()))
    unexplained = [
        f"{name}.{field}"
        for name, part in schema["$defs"].items()
        for field, value in part["properties"].items()
        if not value.get("description") and len(field) > 2
    ]
    assert not unexplained
    assert "None" not in json.dumps(schema)


def test_the_command_prints_the_schema(capsys):
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == result_schema()
    Draft202012Validator.check_schema(printed)
