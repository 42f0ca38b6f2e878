"""What other sites, other machines and odd paths cannot do."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from videoseg_studio.server import Settings, resolve_in_folder

from videoseg.errors import ConfigError

TOKEN = "0123456789abcdef-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JOB = {"video": "clips/dog.mp4", "query": "the dog"}


# -- where a request comes from ----------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""]
)
def test_a_host_name_that_is_not_the_servers_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/jobs", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:1", "[::1]:8765", "LOCALHOST"])
def test_names_of_this_machine_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/jobs", headers={"Host": host}).status_code == 200


def test_a_further_name_is_accepted_where_the_operator_allows_it(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(allowed_hosts=("Masks.example",))
    assert client.get("/api/v1/jobs", headers={"Host": "masks.example"}).status_code == 200
    assert client.get("/api/v1/jobs", headers={"Host": "other.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8765"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_another_site_cannot_submit_or_delete(client: TestClient, headers: dict[str, str]) -> None:
    before = client.get("/api/v1/jobs").json()
    assert client.post("/api/v1/jobs", json=JOB, headers=headers).status_code == 403
    assert client.delete("/api/v1/jobs/1", headers=headers).status_code == 403
    assert client.get("/api/v1/jobs").json() == before


def test_a_form_of_another_site_cannot_submit(client: TestClient, clip_bytes: bytes) -> None:
    # A form needs no preflight, so only these headers tell.
    headers = {
        "Origin": "https://evil.example",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    files = {"video": ("dog.mp4", clip_bytes)}
    refused = client.post("/api/v1/jobs", data={"query": "x"}, files=files, headers=headers)
    assert refused.status_code == 403


def test_another_site_cannot_read_by_embedding(client: TestClient) -> None:
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/api/v1/jobs", headers=embedded).status_code == 403
    framed = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "iframe",
    }
    assert client.get("/api", headers=framed).status_code == 403
    link = {**framed, "Sec-Fetch-Dest": "document"}
    assert client.get("/api", headers=link).status_code == 200


def test_a_browser_without_fetch_metadata_cannot_listen_from_another_site(
    client: TestClient,
) -> None:
    # Events that nobody may read would still take the places of those who may.
    job = client.post("/api/v1/jobs", json=JOB).json()
    headers = {"Origin": "https://evil.example", "Accept": "text/event-stream"}
    assert client.get(job["links"]["events"], headers=headers).status_code == 403
    own = {"Origin": "http://127.0.0.1:8765"}
    assert client.get(job["links"]["self"], headers=own).status_code == 200


def test_the_servers_own_page_and_plain_clients_may_submit(client: TestClient) -> None:
    own = {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/v1/jobs", json=JOB, headers=own).status_code == 202
    assert client.post("/api/v1/jobs", json=JOB).status_code == 202


def test_responses_allow_other_sites_nothing(client: TestClient) -> None:
    response = client.get("/api/v1/jobs", headers={"Sec-Fetch-Site": "same-origin"})
    assert "access-control-allow-origin" not in response.headers
    for path in ("/api", "/api/v1/jobs", "/nothing", "/static/server.css"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"


# -- the token ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Cookie": "videoseg-token=wrong"},
        {"Cookie": 'videoseg-token="'},
    ],
)
def test_without_the_right_token_nothing_is_answered(
    make_client: Callable[..., TestClient], headers: dict[str, str]
) -> None:
    client = make_client(token=TOKEN)
    for method, path in (
        ("GET", "/api/v1/jobs"),
        ("POST", "/api/v1/jobs"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api"),
        ("GET", "/nothing"),
    ):
        response = client.request(method, path, headers=headers)
        assert response.status_code == 401
        assert TOKEN not in response.text


def test_the_token_opens_and_is_not_logged(
    make_client: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        client = make_client(token=TOKEN)
        assert client.get("/api/v1/jobs", headers=BEARER).status_code == 200
        assert client.get("/api/v1/jobs", params={"token": TOKEN}).status_code == 401
    ours = [record for record in caplog.records if record.name.startswith(("videoseg", "uvicorn"))]
    assert not any(TOKEN in record.getMessage() for record in ours)
    assert TOKEN not in repr(client.app.state.settings)


def test_a_browser_signs_in_once(make_client: Callable[..., TestClient]) -> None:
    client = make_client(token=TOKEN)
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.url.path == "/sign-in"
    assert client.post("/sign-in", json={"token": "wrong"}).status_code == 401
    signed_in = client.post("/sign-in", json={"token": TOKEN})
    assert signed_in.status_code == 204
    cookie = signed_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert client.get("/api/v1/jobs").status_code == 200


def test_odd_cookies_of_other_servers_do_not_sign_out(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(token=TOKEN)
    headers = {"Cookie": f'theirs={{"a": 1}}; videoseg-token={TOKEN}; x'}
    assert client.get("/api/v1/jobs", headers=headers).status_code == 200


def test_beyond_this_machine_a_token_is_needed(project: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.7", "masks.example", "::"):
        with pytest.raises(ConfigError, match="VIDEOSEG_TOKEN"):
            Settings(project, host=host)
        assert Settings(project, host=host, token=TOKEN).token == TOKEN


def test_a_short_token_is_refused_and_not_repeated(project: Path) -> None:
    with pytest.raises(ConfigError, match="at least 16") as refused:
        Settings(project, token="pass-word")
    assert "pass-word" not in str(refused.value)


def test_beyond_this_machine_any_name_is_known_but_only_with_the_token(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(token=TOKEN, host="0.0.0.0")
    headers = {"Host": "gpu-3.example:8765"}
    assert client.get("/api/v1/jobs", headers=headers).status_code == 401
    assert client.get("/api/v1/jobs", headers={**headers, **BEARER}).status_code == 200


# -- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../secret.mp4",
        "clips/../../secret.mp4",
        "clips/../clips/dog.mp4",
        "/etc/passwd",
        "~/secret.mp4",
        "~root",
        "..\\secret.mp4",
        "C:\\secret.mp4",
        "c:secret.mp4",
        "",
        ".",
        "clips/dog.mp4\0.png",
        ".videoseg/server.lock",
        "clips/.hidden/x.mp4",
        "file:///etc/passwd",
        "http://127.0.0.1/x.mp4",
        "rtsp://camera",
        "x" * 5_000,
        "link.mp4",
        "folder-link/secret.mp4",
        "linked-pictures",
        "hidden-link",
    ],
)
def test_a_path_that_leads_out_of_the_project_folder_is_refused(
    client: TestClient, name: str
) -> None:
    project = client.app.state.settings.folder
    if not (project / "link.mp4").exists():
        (project / "link.mp4").symlink_to(project.parent / "secret.mp4")
        (project / "folder-link").symlink_to(project.parent)
        (project / "hidden-link").symlink_to(project / ".videoseg")
        (project / "linked-pictures").mkdir()
        (project / "linked-pictures" / "0.png").symlink_to(project.parent / "secret.mp4")
    before = client.get("/api/v1/jobs").json()
    answer = client.post("/api/v1/jobs", json={"video": name, "query": "the dog"})
    assert answer.status_code == 422
    assert str(project.parent) not in answer.text
    assert client.get("/api/v1/jobs").json() == before


def test_links_inside_the_project_folder_are_followed(project: Path) -> None:
    (project / "link.mp4").symlink_to(project / "clips" / "dog.mp4")
    assert resolve_in_folder(project, "link.mp4") == project / "clips" / "dog.mp4"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/..%2f..%2fsettings.py",
        "/static/%2e%2e/settings.py",
        "/static//etc/passwd",
        "/api/v1/jobs/..%2f..%2f..%2fsecret.mp4/result.json",
        "/api/v1/jobs/%2e%2e/result.json",
        "/api/v1/jobs/x/exports/..%2f..%2fsecret",
    ],
)
def test_paths_of_addresses_do_not_leave_their_folder(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 422)


def test_what_is_no_file_is_refused(client: TestClient) -> None:
    os.mkfifo(client.app.state.settings.folder / "pipe.mp4")
    answer = client.post("/api/v1/jobs", json={"video": "pipe.mp4", "query": "the dog"})
    assert answer.status_code == 422
    assert "not a file or a folder" in answer.json()["error"]["message"]


# -- what a client may choose --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pipeline": "videoseg-r1"}, "not offered here"),
        ({"pipeline": "/etc/passwd"}, "not offered here"),
        ({"pipeline": "clips/evil.yaml"}, "not offered here"),
        ({"options": {"grounder": {"detector": "yolox"}}}, "detector"),
        ({"options": {"chat": {"base_url": "http://evil.example"}}}, "no stage 'chat'"),
        ({"options": {"sampler": {"num_detail": 0}}}, "num_detail"),
        ({"options": {"sampler": {"num_detail": {"name": "x"}}}}, "num_detail"),
        ({"options": {"sampler": "first"}}, "options"),
        ({"query": " "}, "query"),
        ({"query": "word " * 2_000}, "at most 1,000"),
        ({"seed": -1}, "seed"),
        ({"checkpoint": "evil.pt"}, "checkpoint"),
    ],
)
def test_what_is_not_offered_is_refused_before_it_is_queued(
    client: TestClient, changed: dict[str, object], said: str
) -> None:
    before = client.get("/api/v1/jobs").json()
    answer = client.post("/api/v1/jobs", json={**JOB, **changed})
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert client.get("/api/v1/jobs").json() == before


def test_numbers_and_fixed_words_are_offered_and_used(client: TestClient) -> None:
    options = {"propagator": {"preset": "fast", "lookahead": 3}}
    answer = client.post("/api/v1/jobs", json={**JOB, "options": options})
    assert answer.status_code == 202
    assert answer.json()["options"] == options


def test_options_that_name_things_are_offered_where_the_operator_allows_them(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(allowed_options=("grounder.detector",))
    (pipeline,) = client.get("/api/v1/pipelines").json()["pipelines"]
    assert "detector" in pipeline["options"]["grounder"]
    options = {"grounder": {"detector": "no-such-detector"}}
    answer = client.post("/api/v1/jobs", json={**JOB, "options": options})
    assert answer.status_code == 422
    assert "there is no detector 'no-such-detector'" in answer.json()["error"]["message"]


def test_no_offered_option_takes_text(client: TestClient) -> None:
    for pipeline in client.get("/api/v1/pipelines").json()["pipelines"]:
        for options in pipeline["options"].values():
            assert not [name for name, one in options.items() if "str" in one["type"]]
            assert not {"download", "model", "path", "device"} & options.keys()


# -- text ----------------------------------------------------------------------------------------

SCRIPT = "<script>alert(1)</script>"


def test_script_in_text_stays_text(client: TestClient) -> None:
    answer = client.post("/api/v1/jobs", json={**JOB, "query": f"fail {SCRIPT}"})
    assert answer.headers["content-type"] == "application/json"
    shown = client.get(answer.json()["links"]["self"])
    assert shown.headers["content-type"] == "application/json"
    assert shown.json()["query"] == f"fail {SCRIPT}"
    refused = client.post("/api/v1/jobs", json={**JOB, "video": SCRIPT})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/json"


def test_the_address_in_the_page_is_escaped(client: TestClient) -> None:
    page = client.get("/api", headers={"Host": "localhost:8765"})
    assert page.status_code == 200
    assert "<script" not in page.text
    # Nothing of it is loaded from elsewhere.
    assert 'src="http' not in page.text
    assert "https://" not in page.text


def test_what_is_unexpected_is_logged_and_not_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("the secret of the server")

    monkeypatch.setattr(client.app.state.jobs, "all", fail)
    answer = client.get("/api/v1/jobs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_error_is_described_as_it_is(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    (content,) = response["content"].values()
                    schema = content["schema"]["$ref"]
                    assert schema.endswith("/ErrorAnswer"), (path, status)
