"""Servers that answer wrongly, and folders that others have prepared: nothing wrong is kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from videoseg.errors import ConfigError, DownloadError
from videoseg.weights import ModelScopeModel, WeightsFile, transfer

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
OTHER = CONTENT[::-1]
NO_PAUSES = (0.0, 0.0)


@dataclass
class Script:
    """What a server answers to each request in turn: status, headers and body."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def scripted_server() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked.append((self.command, self.headers.get("Range")))
            if not script.answers:
                self.send_error(404)
                return
            status, headers, body = script.answers.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/weights.bin"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "net"


@pytest.fixture
def server():
    with scripted_server() as running:
        yield running


def fetch(file, pauses=NO_PAUSES):
    return transfer.fetch_file(file, pauses=pauses)


def part(start, end, *, size=str(SIZE), tag='"1"', content=CONTENT):
    headers = {"Content-Range": f"bytes {start}-{end - 1}/{size}", "ETag": tag}
    return 206, headers, content[start:end]


def cut(length, *, tag='"1"', content=CONTENT):
    return 200, {"Content-Length": str(len(content)), "ETag": tag}, content[:length]


# -- parts -----------------------------------------------------------------------------------


def test_a_shorter_part_than_was_asked_for_is_not_the_end(server):
    server.answers = [cut(4000), part(4000, 6000), part(6000, SIZE)]
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=4000-", "bytes=6000-"]


def test_a_part_that_nobody_asked_for_is_not_the_whole(server):
    server.answers = [part(0, 3000), part(3000, SIZE)]
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == CONTENT


def test_a_part_of_another_file_is_not_put_at_the_end(server):
    server.answers = [
        cut(4000),
        part(4000, SIZE, tag='"2"', content=OTHER),
        (200, {"ETag": '"2"'}, OTHER),
    ]
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == OTHER


def test_a_new_file_that_is_cut_at_once_forgets_the_old_beginning(server):
    server.answers = [
        cut(4000),
        cut(0, tag='"2"', content=OTHER),
        (200, {"ETag": '"2"'}, OTHER),
    ]
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == OTHER
    assert [asked for _, asked in server.asked] == [None, "bytes=4000-", None]


def test_a_server_that_never_gets_further_is_given_up(server):
    # It cannot resume, and breaks off sooner or later each time.
    server.answers = [cut(4000 if n % 2 else 2000, tag="") for n in range(40)]
    with pytest.raises(DownloadError, match="connection ended after"):
        fetch(WeightsFile(server.url, "net"))
    assert len(server.asked) <= 6


@pytest.mark.parametrize("length", ["-5", "1_0", "5, 5"])
def test_a_length_that_is_no_number_is_none(server, length):
    server.answers = [(200, {"Content-Length": length}, CONTENT)]
    with pytest.raises(DownloadError, match="does not say how large"):
        fetch(WeightsFile(server.url, "net"))


def test_a_huge_length_is_more_than_the_disk_has(server, folder):
    server.answers = [(200, {"Content-Length": "9" * 40}, CONTENT)]
    with pytest.raises(DownloadError, match="are to be downloaded"):
        fetch(WeightsFile(server.url, "net"))
    assert list(folder.iterdir()) == []


# -- addresses -------------------------------------------------------------------------------


def test_an_unsafe_redirect_is_refused_at_once(server, folder):
    server.answers = [(302, {"Location": "ftp://127.0.0.1/weights.bin"}, b"")] * 5
    with pytest.raises(DownloadError, match="redirects to an address that is not") as caught:
        fetch(WeightsFile(server.url, "net"))
    assert "the same command" not in str(caught.value)
    assert len(server.asked) == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_that_gives_no_size_beforehand_is_asked_for_the_file(server, status):
    server.answers = [(status, {}, b"")]
    assert transfer.remote_size(WeightsFile(server.url, "net")) == 0


def test_the_password_of_a_proxy_is_not_told(monkeypatch):
    # The "/" in the password makes it look like a port.
    monkeypatch.setenv("http_proxy", "http://someone:secret/1@proxy.example:8080")
    with pytest.raises(DownloadError, match="HTTPS_PROXY") as caught:
        fetch(WeightsFile("http://example.invalid/weights.bin", "net"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/..",
        "https://example.org/a/%2e%2e",
        "https://example.org/..%5c..%5cstart.bat",
        "https://example.org/a%00.bin",
        "https://example.org/a%1b[2J.bin",
        "https://example.org/.",
        "https://example.org/C%3A.bin",
    ],
)
def test_a_name_cannot_lead_out_of_its_folder(url):
    with pytest.raises(ConfigError, match="need the address of a file"):
        WeightsFile(url, "net")


def test_an_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(ConfigError, match="password") as caught:
        WeightsFile("https://someone:secret@example.org/a.bin", "net")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("folder", ["..", "../other", "/etc", "net/../..", "a\\..\\b", ""])
def test_a_folder_cannot_lead_out_of_the_cache(folder):
    with pytest.raises(ConfigError, match="folder"):
        WeightsFile("https://example.org/a.bin", folder)
    with pytest.raises(ConfigError, match="folder"):
        ModelScopeModel("someone/model", folder)


@pytest.mark.parametrize("model", ["someone/..", "..", "someone/", "a/../b", "a\\b/c"])
def test_a_model_cannot_lead_out_of_its_folder(model):
    with pytest.raises(ConfigError, match="model"):
        ModelScopeModel(model, "net")


# -- what others have prepared ----------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".partial", ".partial.json"])
def test_a_link_is_not_written_through(server, folder, tmp_path, suffix):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder.mkdir()
    (folder / f".weights.bin{suffix}").symlink_to(victim)
    server.answers = [(200, {}, CONTENT)]
    path = fetch(WeightsFile(server.url, "net", SIZE, hashlib.sha256(CONTENT).hexdigest()))
    assert victim.read_bytes() == b"mine"
    assert path.read_bytes() == CONTENT
    assert not path.is_symlink()


def test_a_link_in_the_place_of_the_file_is_replaced(server, folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder.mkdir()
    (folder / "weights.bin").symlink_to(victim)
    server.answers = [(200, {}, CONTENT)]
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == CONTENT
    assert victim.read_bytes() == b"mine"
