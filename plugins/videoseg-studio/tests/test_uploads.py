"""Uploads: bounded, written to disk piece by piece, and gone when they are refused."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from thread_slot import all_files, wait_until_finished
from videoseg_studio.api.uploads import read_form, safe_name
from videoseg_studio.server import RequestError, Settings

QUERY = {"query": "the dog"}


def uploaded(client: TestClient) -> set[str]:
    """Return the files that the server keeps of uploads."""
    data = client.app.state.settings.data_folder
    return {name for name in all_files(data) if "upload" in name}


def upload(client: TestClient, content: bytes, name: str = "dog.mp4", **fields: str) -> Any:
    return client.post("/api/v1/jobs", data={**QUERY, **fields}, files={"video": (name, content)})


def test_an_uploaded_video_is_answered_and_deleted_with_its_job(
    make_client: Callable[..., TestClient], clip_bytes: bytes
) -> None:
    client = make_client()
    options = json.dumps({"propagator": {"lookahead": 2}})
    answer = upload(client, clip_bytes, seed="7", options=options)
    assert answer.status_code == 202
    job = wait_until_finished(client, answer.json())
    assert job["state"] == "done", job["error"]
    assert (job["video"], job["seed"], job["options"]) == (
        "dog.mp4",
        7,
        {"propagator": {"lookahead": 2}},
    )
    assert len(uploaded(client)) == 1
    assert client.delete(job["links"]["self"]).status_code == 204
    assert all_files(client.app.state.settings.data_folder) == {"server.lock"}


def test_a_larger_upload_is_refused_whatever_its_length_says(
    make_client: Callable[..., TestClient], clip_bytes: bytes
) -> None:
    client = make_client(max_upload_bytes=len(clip_bytes))
    assert upload(client, clip_bytes).status_code == 202
    before = uploaded(client)
    assert upload(client, clip_bytes + b"\0").status_code == 413

    def form(size: int) -> Iterator[bytes]:
        yield (b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n')
        for _ in range(size // 1_000):
            yield bytes(1_000)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    # In pieces without a length; and with lengths that are too small or too large.
    endless = client.post("/api/v1/jobs", content=form(10**6), headers=kind)
    assert endless.status_code == 413
    lying = {**kind, "Content-Length": "10"}
    assert client.post("/api/v1/jobs", content=form(10**6), headers=lying).status_code == 413
    huge = {**kind, "Content-Length": str(10**12)}
    assert client.post("/api/v1/jobs", content=form(1_000), headers=huge).status_code == 413
    assert uploaded(client) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"--x\r\n", 400),
        (b'--x\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\nabc', 400),
        (b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nabc', 400),
        (b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n' + b"a" * 70_000, 413),
        (b"--x\r\n" + b"A: b\r\n" * 10_000, 400),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 30, 400),
    ],
)
def test_a_malformed_form_leaves_nothing(client: TestClient, body: bytes, status: int) -> None:
    before = all_files(client.app.state.settings.data_folder)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/v1/jobs", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert all_files(client.app.state.settings.data_folder) == before


def test_a_refused_job_leaves_no_upload(client: TestClient, clip_bytes: bytes) -> None:
    before = all_files(client.app.state.settings.data_folder)
    for fields in (
        {"query": " "},
        {"pipeline": "nope"},
        {"options": "{"},
        {"options": '{"a":{}}'},
        {"seed": "x"},
        {"extra": "1"},
    ):
        answer = upload(client, clip_bytes, **fields)
        assert answer.status_code in (400, 422), fields
    files = [("video", ("a.mp4", clip_bytes)), ("video", ("b.mp4", clip_bytes))]
    assert client.post("/api/v1/jobs", data=QUERY, files=files).status_code == 400
    assert all_files(client.app.state.settings.data_folder) == before


def test_a_form_may_name_a_video_of_the_project(client: TestClient) -> None:
    fields = {"video": (None, "clips/dog.mp4"), "query": (None, "the dog")}
    assert client.post("/api/v1/jobs", files=fields).status_code == 202


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.mp4",
        "/etc/cron.d/evil",
        "..",
        "<script>alert(1)</script>.mp4",
        '"><img src=x>.mp4',
        "a\r\nSet-Cookie: x.mp4",
        "\N{RIGHT-TO-LEFT OVERRIDE}4pm.exe",
        "x" * 3_000 + ".mp4",
        ".htaccess",
    ],
)
def test_odd_names_of_uploads_become_plain_ones(
    client: TestClient, clip_bytes: bytes, name: str
) -> None:
    answer = upload(client, clip_bytes, name)
    assert answer.status_code == 202, answer.text
    job = wait_until_finished(client, answer.json())
    stored = Path(job["video"])
    assert stored.name == job["video"]
    assert not set(job["video"]) & set("<>\"'/\\\r\n;&")
    everything = all_files(client.app.state.settings.folder)
    outside = {path for path in everything if not path.startswith(".videoseg")}
    assert outside == {"clips/dog.mp4"}


@pytest.mark.parametrize("seed", range(20))
def test_a_safe_name_is_one_name_without_signs(seed: int) -> None:
    random = Random(seed)
    signs = [*"/\\.<>:;\0\n\x1b ~%", *map(chr, random.choices(range(0x11000), k=40))]
    name = "".join(random.choices(signs, k=random.randrange(200)))
    safe = safe_name(name)
    assert safe
    assert not safe.startswith((".", " "))
    assert "/" not in safe
    assert "\\" not in safe
    assert all(c.isalnum() or c in " .-_()" for c in safe)
    assert len(os.fsencode(safe)) <= 120


@pytest.mark.parametrize(
    "text",
    ["#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "ffconcat version 1.0\nfile '/etc/hostname'\n"],
)
def test_a_playlist_reads_no_other_file(client: TestClient, text: str) -> None:
    answer = upload(client, text.encode(), "list.m3u8")
    job = wait_until_finished(client, answer.json())
    assert job["state"] == "failed"


@pytest.mark.parametrize("settings", [{"idle_seconds": 0.05}, {"upload_seconds": 0.05}])
@pytest.mark.parametrize("is_there", [False, True])
def test_an_upload_that_stalls_is_given_up(
    project: Path, settings: dict[str, float], is_there: bool
) -> None:
    folder = project / "upload"
    if is_there:
        folder.mkdir()
    pieces = [b'--x\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\nabc']

    async def receive() -> dict[str, object]:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(), "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError("nobody waits as long")

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(RequestError) as refused:
        asyncio.run(read_form(request, Settings(project, **settings), folder))
    assert refused.value.status == 408
    assert folder.exists() == is_there
    assert not is_there or not list(folder.iterdir())


def test_other_kinds_of_bodies_are_refused(client: TestClient) -> None:
    answer = client.post(
        "/api/v1/jobs", content=b"query=x", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/v1/jobs", content=b"{", headers=headers).status_code == 400
    assert client.post("/api/v1/jobs", content=b"[" * 10**5, headers=headers).status_code == 400
    assert client.post("/api/v1/jobs", content=b" " * 10**6, headers=headers).status_code == 413
    assert client.post("/api/v1/jobs", content=b"[]", headers=headers).status_code == 422
