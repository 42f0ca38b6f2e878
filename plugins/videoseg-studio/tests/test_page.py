"""The routes of the page: videos, frames, masks, work, exports, and what is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import time
import zipfile

import numpy as np
import pytest
from starlette.concurrency import run_in_threadpool
from starlette.testclient import TestClient
from still_studio import PIPELINES, add_pipelines
from thread_slot import ThreadSlot
from videoseg_studio.server import RequestError, Settings, create_app
from videoseg_studio.studio import is_picture_folder, mount_studio
from videoseg_studio.studio.frames import read_poster

from videoseg.types import Rle
from videoseg.video import write_video

NASTY = '<img src=x onerror="document.title=1">.mp4'
NUM_FRAMES = 12


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    folder = place / "project"
    folder.mkdir()
    frames = np.zeros((NUM_FRAMES, 40, 64, 3), np.uint8)
    frames[:, 10:20, 10:20] = (200, 40, 40)
    for name in ("clip.mp4", NASTY):
        write_video(folder / name, frames, fps=10)
    (folder / "broken.mp4").write_bytes(b"not a video")
    write_video(place / "secret.mp4", frames, fps=10)
    add_pipelines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videoseg_studio.jobs.queue.WorkerSlot", ThreadSlot)
        app = create_app(Settings(folder, pipelines=PIPELINES, max_upload_bytes=200_000))
        mount_studio(app)
        with TestClient(app, base_url="http://127.0.0.1:8765") as client:
            yield client


@pytest.fixture
def project(client):
    """Return the address of the project of the clip, without objects."""
    found = client.post("/studio/projects", json={"video": "clip.mp4"}).json()
    address = f"/studio/projects/{found['id']}"
    found = wait_until(client, address, lambda found: found["status"] == "ready")
    for one in found["objects"]:
        client.post(f"{address}/do", json={"do": "remove", "object": one["id"]})
    return address


def wait_until(client, address, holds):
    for _ in range(400):
        found = client.get(address).json()
        if holds(found):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def finish(client, address):
    found = wait_until(client, address, lambda found: found["work"]["status"] != "running")
    return found["work"]


def test_the_page_and_all_it_loads_come_from_here(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("main.js", "studio.css", "runs.js", "icon.svg"):
        assert client.get(f"/page/{name}").status_code == 200
    assert client.get("/page/../routes.py").status_code == 404


def test_videos_of_the_folder_are_offered_and_nothing_else_is_opened(client):
    start = client.get("/studio/start").json()
    assert start["videos"] == sorted(["broken.mp4", "clip.mp4", NASTY])
    assert [one["name"] for one in start["pipelines"] if one["usable"]] == list(PIPELINES)
    for name in (
        "../secret.mp4",
        "/etc/passwd",
        ".videoseg/x.mp4",
        "upload:../../x",
        "nothing.mp4",
    ):
        answer = client.post("/studio/projects", json={"video": name})
        assert answer.status_code == 422, name
        assert "secret" not in answer.json()["error"]["message"].replace(name, "")


def test_a_folder_of_pictures_is_a_video(tmp_path):
    (tmp_path / "00000.jpg").touch()
    assert is_picture_folder(tmp_path)
    (tmp_path / "clip.mp4").touch()
    assert not is_picture_folder(tmp_path)


def test_a_file_that_is_no_video_says_so(client):
    found = client.post("/studio/projects", json={"video": "broken.mp4"}).json()
    address = f"/studio/projects/{found['id']}"
    found = wait_until(client, address, lambda found: found["status"] == "failed")
    assert found["error"].startswith("broken.mp4 is not a video")
    assert client.get(f"{address}/frames/0.jpg").status_code == 422


def test_frames_are_pictures_of_the_size_asked_for(client, project):
    from PIL import Image

    for width, expected in ((0, 64), (32, 32)):
        answer = client.get(f"{project}/frames/3.jpg?width={width}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).width == expected
    assert client.get(f"{project}/frames/12.jpg").status_code == 422


def test_a_click_answers_with_its_mask(client, project):
    object_id = int(client.post(f"{project}/do", json={"do": "add"}).json()["told"])
    body = {"object": object_id, "frame": 2, "points": [[15, 15]]}
    answer = client.post(f"{project}/correct", json=body).json()
    [counts] = answer["masks"]["frames"]["2"].values()
    assert Rle((40, 64), counts).decode()[15, 15]
    assert answer["pending"] == 1
    timeline = client.get(f"{project}/timeline?bins=12").json()
    assert timeline["objects"][str(object_id)] == "002000000000"
    refused = client.post(f"{project}/correct", json={**body, "points": [["1e400", 2]]})
    assert refused.status_code == 422


def test_a_question_is_answered_with_its_reasons_and_exported(client, project):
    assert client.post(f"{project}/ask", json={"query": "the box"}).status_code == 200
    assert finish(client, project)["message"] == "found 1 object"
    answer = client.get(f"{project}/answer").json()
    assert answer["turns"][0]["parts"] == {"spatial": "in the <i>middle</i>"}
    masks = client.get(f"{project}/masks?start=0&count=64").json()
    assert len(masks["frames"]) == NUM_FRAMES
    client.post(f"{project}/export", json={"format": "coco"})
    work = finish(client, project)
    data = client.get(f"{project}/exports/{work['result']['file']}").content
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".json")]
        assert len(json.loads(archive.read(name))["annotations"]) == NUM_FRAMES
    assert client.get(f"{project}/exports/..%2Fjournal.jsonl").status_code in (404, 422)
    assert client.post(f"{project}/ask", json={"query": " "}).status_code == 422


def test_two_pipelines_are_compared(client, project):
    client.post(f"{project}/ask", json={"query": "the box", "pipeline": "still"})
    finish(client, project)
    body = {"video": "clip.mp4", "variant": "compare"}
    key = client.post("/studio/projects", json=body).json()["id"]
    other = f"/studio/projects/{key}"
    wait_until(client, other, lambda found: found["status"] == "ready")
    client.post(f"{other}/ask", json={"query": "the box", "pipeline": "still-other"})
    finish(client, other)
    agreement = client.get(f"{project}/agreement/{key}").json()
    assert agreement["mean"] == pytest.approx(80 / 120)
    assert client.post(f"{project}/ask", json={"query": "x", "pipeline": "r1"}).status_code == 422


def test_names_of_files_are_only_ever_data(client):
    found = client.post("/studio/projects", json={"video": NASTY}).json()
    assert found["name"] == NASTY
    assert "<img" not in client.get("/").text


def test_uploads_are_bounded_and_their_names_are_harmless(client):
    clip = client.app.state.settings.folder / "clip.mp4"
    sent = {"video": ("../../evil<script>.mp4", clip.read_bytes(), "video/mp4")}
    video = client.post("/studio/uploads", files=sent).json()["video"]
    assert "<" not in video
    assert ".." not in video
    assert client.post("/studio/projects", json={"video": video}).status_code == 200
    large = {"video": ("large.mp4", b"0" * 400_000, "video/mp4")}
    assert client.post("/studio/uploads", files=large).status_code == 413
    assert client.post("/studio/uploads", files={}).status_code in (400, 422)


def test_names_as_recorders_write_them_are_offered_and_opened(client):
    folder = client.app.state.settings.folder
    names = ["Screencast 2026-01-02 12:30:00.mp4", "Recording at 9.41\u202fPM.mp4"]
    odd = [os.fsdecode(b"latin-\xe9.mp4"), "line\nbreak.mp4"]
    try:
        for name in (*names, *odd):
            shutil.copy(folder / "clip.mp4", folder / name)
        offered = client.get("/studio/start").json()["videos"]
        assert set(names) < set(offered)
        assert not set(odd) & set(offered)
        for name in names:
            assert client.post("/studio/projects", json={"video": name}).status_code == 200
    finally:
        for name in (*names, *odd):
            (folder / name).unlink(missing_ok=True)


def test_pictures_that_lead_outside_are_refused(client):
    folder = client.app.state.settings.folder
    (folder / "pictures").mkdir()
    (folder / "pictures" / "0.png").symlink_to(folder.parent / "secret.mp4")
    try:
        answer = client.post("/studio/projects", json={"video": "pictures"})
        assert answer.status_code == 422
        assert "leads outside" in answer.json()["error"]["message"]
    finally:
        shutil.rmtree(folder / "pictures")


def test_a_video_that_took_the_place_of_another_has_a_project_of_its_own(client):
    folder = client.app.state.settings.folder
    frames = np.random.default_rng(0).integers(0, 255, (7, 40, 64, 3)).astype(np.uint8)
    try:
        shutil.copy(folder / "clip.mp4", folder / "replaced.mp4")
        first = client.post("/studio/projects", json={"video": "replaced.mp4"}).json()["id"]
        wait_until(client, f"/studio/projects/{first}", lambda found: found["status"] == "ready")
        client.post(f"/studio/projects/{first}/do", json={"do": "add"})
        write_video(folder / "replaced.mp4", frames, fps=10)
        second = client.post("/studio/projects", json={"video": "replaced.mp4"}).json()["id"]
        address = f"/studio/projects/{second}"
        found = wait_until(client, address, lambda found: found["status"] != "opening")
        assert (found["status"], found["objects"]) == ("ready", [])
        assert found["video"]["num_frames"] == 7
    finally:
        (folder / "replaced.mp4").unlink()


def test_uploads_are_counted_and_deleted_with_their_corrections(client, monkeypatch):
    monkeypatch.setattr("videoseg_studio.studio.workspace._MOST_UPLOADS", 2)
    folder = client.app.state.settings.folder
    data = folder / ".videoseg" / "studio"
    for old in client.get("/studio/start").json()["videos"]:
        if old.startswith("upload:"):
            client.post("/studio/uploads/delete", json={"video": old})
    projects = {path.name for path in (data / "projects").iterdir()}

    def upload():
        sent = {"video": ("new.mp4", (folder / "clip.mp4").read_bytes(), "video/mp4")}
        return client.post("/studio/uploads", files=sent)

    first, _ = upload().json()["video"], upload()
    assert upload().status_code == 507
    found = client.post("/studio/projects", json={"video": first}).json()
    address = f"/studio/projects/{found['id']}"
    wait_until(client, address, lambda found: found["status"] == "ready")
    left = client.post("/studio/uploads/delete", json={"video": first}).json()["videos"]
    assert first not in left
    assert {path.name for path in (data / "projects").iterdir()} == projects
    assert upload().status_code == 200
    for name in ("clip.mp4", "upload:../projects", "upload:nothing/new.mp4"):
        refused = client.post("/studio/uploads/delete", json={"video": name})
        assert refused.status_code == 422, name
    assert (folder / "clip.mp4").exists()


def test_an_upload_that_was_killed_is_not_offered_and_removed_in_time(client):
    uploads = client.app.state.settings.folder / ".videoseg" / "studio" / "uploads"
    for name in (".part-old", ".part-new"):
        (uploads / name).mkdir(parents=True)
        (uploads / name / "half.mp4").touch()
    os.utime(uploads / ".part-old", (0, 0))
    try:
        videos = client.get("/studio/start").json()["videos"]
        assert not [name for name in videos if "half.mp4" in name]
        client.post("/studio/uploads", files={})
        assert not (uploads / ".part-old").exists()
        assert (uploads / ".part-new").exists()
    finally:
        shutil.rmtree(uploads / ".part-new")


def test_uploads_and_followers_are_limited(tmp_path, monkeypatch):
    app = create_app(Settings(tmp_path, pipelines=PIPELINES, max_uploads=1, max_followers=1))
    mount_studio(app)
    write_video(tmp_path / "clip.mp4", np.zeros((2, 40, 64, 3), np.uint8), fps=10)
    statuses = []

    async def follow_a_second_time(*_arguments):
        # The first stream holds the only place.
        response = await run_in_threadpool(client.get, f"{address}/events")
        statuses.append(response.status_code)
        yield "data: {}\n\n"

    async def upload_a_second_time(*_arguments):
        response = await run_in_threadpool(client.post, "/studio/uploads")
        statuses.append(response.status_code)
        raise RequestError(400, "the first one ends")

    monkeypatch.setattr("videoseg_studio.studio.routes._tell_events", follow_a_second_time)
    monkeypatch.setattr("videoseg_studio.api.uploads.read_form", upload_a_second_time)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        key = client.post("/studio/projects", json={"video": "clip.mp4"}).json()["id"]
        address = f"/studio/projects/{key}"
        for _ in range(2):
            # The place of one that has ended is free again.
            assert client.get(f"{address}/events").status_code == 200
            assert client.post("/studio/uploads").status_code == 400
    assert statuses == [429] * 4


def test_followers_are_let_go_when_the_server_ends(client, project, monkeypatch):
    ending = threading.Event()
    monkeypatch.setattr(client.app.state, "ending", ending, raising=False)
    threading.Timer(0.2, ending.set).start()
    assert client.get(f"{project}/events").text.startswith("data: ")


def test_a_poster_is_of_the_file_itself_not_of_one_that_it_names(tmp_path):
    write_video(tmp_path / "secret.mp4", np.zeros((2, 40, 64, 3), np.uint8), fps=10)
    assert read_poster(tmp_path / "secret.mp4")
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n"
    concat = "ffconcat version 1.0\nfile 'secret.mp4'\n"
    for name, text in (("list.m3u8", playlist), ("list.ffconcat", concat)):
        (tmp_path / name).write_text(text)
        assert read_poster(tmp_path / name) is None


def test_few_exports_are_kept_and_none_that_was_killed(client, project):
    client.post(f"{project}/ask", json={"query": "the box"})
    finish(client, project)
    key = project.rpartition("/")[2]
    exports = client.app.state.settings.folder / ".videoseg/studio/projects" / key / "exports"
    (exports / "tmpkilled").mkdir(parents=True)
    for name in ("png", "davis", "youtube-vos", "youtube-vis", "png"):
        client.post(f"{project}/export", json={"format": name})
        assert finish(client, project)["status"] == "done"
    kept = {"clip-youtube-vos.zip", "clip-youtube-vis.zip", "clip-png.zip"}
    assert {path.name for path in exports.iterdir()} == kept


def test_numbers_beyond_any_video_are_refused(client, project):
    client.post(f"{project}/do", json={"do": "add"})
    huge = 10**30
    assert client.get(f"{project}/masks?start={huge}").status_code == 422
    assert client.get(f"{project}/frames/{huge}.jpg").status_code == 422
    assert client.post(f"{project}/do", json={"do": "remove", "object": huge}).status_code == 404


@pytest.mark.parametrize(
    "name", ["..%2f..%2fjournal.jsonl", "journal.jsonl", "%2e%2e", "clip-coco.zip%00", "*.zip"]
)
def test_only_exports_are_sent(client, project, name):
    answer = client.get(f"{project}/exports/{name}")
    assert answer.status_code in (404, 422)
    assert "journal" not in answer.text


def test_without_the_token_the_page_shows_nothing(tmp_path):
    add_pipelines()
    app = create_app(Settings(tmp_path, pipelines=PIPELINES, token="0123456789abcdef-secret"))
    mount_studio(app)
    with TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=False) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            for path in ("/", "/page/main.js", "/studio/start", "/studio/projects/x/events"):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401, path
            body = {"video": "clip.mp4"}
            assert client.post("/studio/projects", json=body, headers=headers).status_code == 401
            assert client.post("/studio/uploads", headers=headers).status_code == 401


def test_other_sites_are_refused(client):
    headers = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    answer = client.post("/studio/projects", json={"video": "clip.mp4"}, headers=headers)
    assert answer.status_code == 403
    assert client.get("/studio/start", headers={"host": "evil.example"}).status_code == 421
