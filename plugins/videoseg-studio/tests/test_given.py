"""Jobs about a part of a video, and jobs that follow objects instead of answering a question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from thread_slot import wait_until_finished

from videoseg.results import Segmentation
from videoseg.types import Rle, from_dict
from videoseg.video import write_video

VIDEO = "clips/dog.mp4"
SIZE, NUM_FRAMES = (48, 64), 5
BOX = {"frame": 0, "box": [8, 8, 24, 24]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"query": ""}, "give either 'query', or 'objects'"),
        ({"objects": [BOX]}, "no query is needed"),
        ({"start": "soon"}, "start: give seconds, such as 12.5"),
        ({"start": -1}, "start"),
        ({"end": "1:2:3:4"}, "end"),
        ({"end": "1" * 100}, "end"),
        ({"every": 0}, "every"),
        ({"max_side": 8}, "max_side"),
        ({"max_side": "large"}, "max_side"),
        ({"query": "", "objects": [{}]}, "needs a box, points, a mask"),
        ({"query": "", "objects": [{"negative_points": [[1, 1]]}]}, "needs a box, points, a mask"),
        ({"query": "", "objects": [{**BOX, "box": [24, 8, 8, 24]}]}, "x1 < x2"),
        ({"query": "", "objects": [{**BOX, "box": [8, 8, 24]}]}, "objects.0.box"),
        ({"query": "", "objects": [{**BOX, "frame": -1}]}, "objects.0.frame"),
        ({"query": "", "objects": [{**BOX, "file": "/etc/passwd"}]}, "objects.0.file"),
        ({"query": "", "objects": [{**BOX, "name": "a"}] * 2}, "'a' is given twice on frame 0"),
        ({"query": "", "objects": [BOX] * 101}, "objects"),
        ({"query": "", "objects": [{"points": [[1, 1]] * 201}]}, "objects.0.points"),
        (
            {"query": "", "objects": [{"mask": {"size": [48, 64], "counts": "0"}}]},
            "add up to 3072",
        ),
        ({"query": "", "objects": [{"mask": {"size": [2**20, 2**20], "counts": "0"}}]}, "size"),
        ({"query": "", "objects": "all"}, "objects"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_is_queued(
    client: TestClient, changed: dict[str, Any], said: str
) -> None:
    before = client.get("/api/v1/jobs").json()
    answer = client.post("/api/v1/jobs", json={"video": VIDEO, "query": "the dog", **changed})
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert client.get("/api/v1/jobs").json() == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: TestClient, number: str) -> None:
    body = f'{{"video": "{VIDEO}", "objects": [{{"box": [0, 0, 9, {number}]}}]}}'
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/v1/jobs", content=body, headers=headers)
    assert answer.status_code in (400, 422)


def test_a_form_has_the_same_fields_and_a_restarted_server_knows_them(
    make_client: Callable[..., TestClient], project: Path, clip_bytes: bytes
) -> None:
    client = make_client()
    waiting = {"video": VIDEO, "query": "wait"}
    client.post("/api/v1/jobs", json=waiting)
    fields = {
        "objects": json.dumps(
            [{**BOX, "name": "<b>"}, {"points": [[1, 2]]}, {"points": [[5, 6]]}]
        ),
        "start": "0.2",
        "end": "4f",
        "every": "2",
        "max_side": "32",
    }
    files = {"video": ("dog.mp4", clip_bytes)}
    answer = client.post("/api/v1/jobs", data=fields, files=files)
    assert answer.status_code == 202, answer.text
    expected = {
        "query": "",
        "num_given": 3,
        "start": "0.2",
        "end": "4f",
        "every": 2,
        "max_side": 32,
    }
    assert {name: answer.json()[name] for name in expected} == expected

    from videoseg_studio.jobs import Journal

    (job,) = [one for one in Journal(project / ".videoseg" / "jobs").read() if one.request.prompts]
    assert [prompt.object_id for prompt in job.request.prompts] == [1, 2, 3]
    assert job.request.prompts[0].label == "<b>"
    assert (job.request.part.start, job.request.part.every) == ("0.2", 2)


def test_what_is_given_is_described(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    content = document["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]
    schemas = document["components"]["schemas"]
    submitted = schemas[content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    form = content["multipart/form-data"]["schema"]
    assert form["properties"].keys() == submitted["properties"].keys()
    named = {
        part.partition('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]
    }
    assert named <= schemas.keys()
    assert "objects" in client.get("/api").text


def test_objects_are_followed_in_the_part_that_was_asked_for(
    make_client_with_processes: Callable[..., TestClient], project: Path
) -> None:
    frames = np.full((NUM_FRAMES, *SIZE, 3), 30, np.uint8)
    for index in range(NUM_FRAMES):
        frames[index, 12:28, 10 + 2 * index : 26 + 2 * index] = (220, 60, 40)
    write_video(project / "square.mp4", frames, fps=5)
    mask = np.zeros(SIZE, bool)
    mask[12:28, 12:28] = True
    # What is given must arrive in the process of the job.
    client = make_client_with_processes()
    given = {"name": "square", "frame": 1, "mask": Rle.encode(mask).to_coco()}
    asked = {"start": "1f", "end": 0.8, "every": 2, "max_side": 48, "objects": [given]}
    job = client.post("/api/v1/jobs", json={"video": "square.mp4", **asked}).json()
    beyond = {"video": "square.mp4", "objects": [{**BOX, "frame": 99}]}
    late = client.post("/api/v1/jobs", json=beyond).json()
    done = wait_until_finished(client, job)
    assert done["state"] == "done", done["error"]
    result = from_dict(Segmentation, client.get(done["links"]["result"]).json())
    failed = wait_until_finished(client, late)
    assert result.query == ""
    assert result.part is not None
    assert list(result.part.frames) == [1, 3]
    assert result.tracks[0].label == "square"
    assert result.tracks[0].visible_frames == (1, 3)
    assert tuple(result.tracks[0].size) == SIZE
    assert failed["state"] == "failed"
    assert "99" in failed["error"]["message"]
