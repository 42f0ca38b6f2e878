"""What can be fetched of a job that is done."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from thread_slot import LABEL, all_files, wait_until_finished

from videoseg.results import EXPORT_FORMATS, Segmentation
from videoseg.types import Rle, from_dict


@pytest.fixture(scope="module")
def job(client: TestClient) -> dict[str, Any]:
    query = "<script>alert('query')</script>"
    answer = client.post("/api/v1/jobs", json={"video": "clips/dog.mp4", "query": query})
    return wait_until_finished(client, answer.json())


@pytest.fixture(scope="module")
def result(client: TestClient, job: dict[str, Any]) -> Segmentation:
    data = client.get(job["links"]["result"]).json()
    loaded: Segmentation = from_dict(Segmentation, data)
    return loaded


def test_the_result_is_the_one_that_is_saved(
    client: TestClient, job: dict[str, Any], result: Segmentation
) -> None:
    folder = client.app.state.jobs.journal.result_folder(job["id"])
    assert result == Segmentation.load(folder)


def test_no_file_tells_where_the_project_is(client: TestClient, job: dict[str, Any]) -> None:
    place = str(client.app.state.settings.folder)
    for name in ("result", "report"):
        text = client.get(job["links"][name]).text
        assert place not in text
        assert "clips/dog.mp4" in text


def test_masks_of_a_frame_are_runs_and_pictures(
    client: TestClient, job: dict[str, Any], result: Segmentation
) -> None:
    found = client.get(job["links"]["masks"].format(frame=3)).json()
    assert found["frame"] == 3
    runs = found["masks"]["1"]
    mask = Rle(tuple(runs["size"]), runs["counts"]).decode()
    assert (mask == result.track(1).mask(3)).all()
    picture = client.get(job["links"]["mask"].format(frame=3, object=1))
    assert picture.headers["content-type"] == "image/png"
    assert (np.array(Image.open(io.BytesIO(picture.content))) == mask * 255).all()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("masks/99", 404),
        ("masks/-1", 404),
        ("masks/x", 422),
        ("masks/0/7.png", 404),
        ("masks/99/1.png", 404),
        ("exports/nothing", 422),
        ("job.json", 404),
    ],
)
def test_what_does_not_exist_is_said(
    client: TestClient, job: dict[str, Any], path: str, status: int
) -> None:
    answer = client.get(f"{job['links']['self']}/{path}")
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_script_in_query_label_and_thought_stays_text_in_the_report(
    client: TestClient, job: dict[str, Any]
) -> None:
    page = client.get(job["links"]["report"])
    assert "<script>alert" not in page.text
    assert LABEL not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert page.headers["x-content-type-options"] == "nosniff"


def test_parts_of_the_overlay_can_be_asked_for(client: TestClient, job: dict[str, Any]) -> None:
    whole = client.get(job["links"]["overlay"])
    assert whole.headers["content-type"] == "video/mp4"
    part = client.get(job["links"]["overlay"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_every_format_can_be_fetched(client: TestClient, job: dict[str, Any], name: str) -> None:
    answer = client.get(job["links"]["export"].format(format=name))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="{job["id"]}-{name}.zip"'
    )
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert names
    assert not [path for path in names if path.startswith("/") or ".." in path]


def test_an_export_leaves_only_its_archive(client: TestClient, job: dict[str, Any]) -> None:
    client.get(job["links"]["export"].format(format="coco"))
    folder = client.app.state.jobs.journal.export_folder(job["id"])
    assert {path for path in all_files(folder) if not path.endswith(".zip")} == set()


def test_the_coco_export_holds_the_masks(
    client: TestClient, job: dict[str, Any], result: Segmentation
) -> None:
    answer = client.get(job["links"]["export"].format(format="coco"))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".json")]
        data = json.loads(archive.read(name))
    areas = [annotation["area"] for annotation in data["annotations"]]
    assert areas == [rle.area for rle in result.track(1).masks if rle is not None]


def test_the_document_for_tools_describes_every_route(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    page = client.get("/api").text
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    content = document["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
