"""Downloads of files: resumed, checked, whole or not there; every failure is one clear error."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from file_server import file_server

from videoseg.errors import ConfigError, DownloadError
from videoseg.files import FileLock
from videoseg.weights import (
    ModelScopeModel,
    WeightsFile,
    download_weights,
    plan_downloads,
    transfer,
    weights_folder,
)

CONTENT = np.random.default_rng(0).bytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NO_PAUSES = (0.0, 0.0)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "net"


@pytest.fixture
def server():
    with file_server(CONTENT) as running:
        yield running


def pinned(server, **changes):
    facts = {"num_bytes": len(CONTENT), "sha256": SHA256, **changes}
    return WeightsFile(server.url, "net", **facts)


def fetch(file, **keywords):
    return transfer.fetch_file(file, pauses=NO_PAUSES, **keywords)


def refused(file):
    """Return the message with which a file cannot be had."""
    with pytest.raises(DownloadError) as caught:
        fetch(file)
    message = str(caught.value)
    assert "\n" not in message
    assert str(file.path) in message
    assert not file.path.exists()
    return message


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(server, folder):
    seen = []
    path = fetch(pinned(server), progress=lambda *facts: seen.append(facts))
    assert path == folder / "weights.bin"
    assert path.read_bytes() == CONTENT
    assert left_in(folder) == ["weights.bin"]
    assert seen[-1] == ("weights.bin", len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("has_hash", [True, False])
def test_a_cut_connection_is_taken_up_where_it_ended(server, folder, has_hash):
    server.cuts = [300_000]
    file = pinned(server) if has_hash else WeightsFile(server.url, "net")
    assert fetch(file).read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == [None, "bytes=300000-"]
    assert server.requests[1]["If-Range"] == '"1"'
    assert left_in(folder) == ["weights.bin"]


def test_half_a_download_waits_for_the_next_command(server, folder):
    server.cuts = [200_000, 0, 0]
    message = refused(pinned(server))
    assert "200 kB are kept, and the same command goes on from there" in message
    assert "connection ended after" in message
    assert left_in(folder) == [".weights.bin.partial", ".weights.bin.partial.json"]
    server.cuts = []
    fetch(pinned(server))
    assert server.requests[-1]["Range"] == "bytes=200000-"
    assert (folder / "weights.bin").read_bytes() == CONTENT
    assert left_in(folder) == ["weights.bin"]


def test_a_server_that_cannot_resume_sends_it_all_again(server, folder):
    server.cuts, server.ranges = [300_000], False
    assert fetch(pinned(server)).read_bytes() == CONTENT


def test_the_beginning_of_another_file_is_not_continued(server, folder):
    server.cuts = [300_000, 0, 0]
    refused(WeightsFile(server.url, "net"))
    server.content, server.tag = CONTENT[::-1], '"2"'
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == CONTENT[::-1]


def test_without_hash_and_tag_nothing_is_continued(server, folder):
    server.cuts, server.tag = [300_000], ""
    assert fetch(WeightsFile(server.url, "net")).read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == [None, None]


def test_a_damaged_beginning_costs_one_more_download(server, folder):
    folder.mkdir()
    (folder / ".weights.bin.partial").write_bytes(b"x" * 300_000)
    about = f'{{"url": "{server.url}", "validator": ""}}'
    (folder / ".weights.bin.partial.json").write_text(about)
    assert fetch(pinned(server)).read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == ["bytes=300000-", None]


def test_where_only_an_md5_is_stated_it_is_checked(server, folder):
    stated = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    # The size beside it may be rounded.
    file = WeightsFile(server.url, "net", 690_000, md5=stated)
    assert fetch(file).read_bytes() == CONTENT
    file.path.write_bytes(CONTENT[::-1])
    [plan] = plan_downloads([file])
    assert f"MD5 is {hashlib.md5(CONTENT[::-1], usedforsecurity=False).hexdigest()}" in plan.reason
    file.path.unlink()
    server.content = CONTENT[::-1]
    assert f"not {stated}, so that it was damaged on the way or replaced" in refused(file)
    assert left_in(folder) == []


@pytest.mark.parametrize("rest", [b"", b"more"], ids=["whole", "too long"])
def test_a_partial_file_of_full_length_is_judged_by_its_hash(server, folder, rest):
    folder.mkdir()
    (folder / ".weights.bin.partial").write_bytes(CONTENT + rest)
    about = f'{{"url": "{server.url}", "validator": ""}}'
    (folder / ".weights.bin.partial.json").write_text(about)
    assert fetch(pinned(server)).read_bytes() == CONTENT
    assert len(server.requests) == (1 if rest else 0)


def test_a_wrong_hash_leaves_nothing(server, folder):
    server.content = CONTENT[::-1]
    message = refused(pinned(server))
    found = hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert f"is not the published file: its SHA-256 is {found} and not {SHA256}" in message
    assert "nothing was kept" in message
    assert left_in(folder) == []


def test_a_wrong_size_is_seen_before_anything_is_fetched(server, folder):
    message = refused(pinned(server, num_bytes=len(CONTENT) + 1))
    assert "has 700,000 bytes, but the published file has 700,001" in message
    assert left_in(folder) == []


def test_a_web_page_is_not_taken_for_weights(server, folder):
    server.content = b"<!DOCTYPE html><html><title>log in to the network</title></html>"
    message = refused(WeightsFile(server.url, "net"))
    assert "is a web page (HTML)" in message
    assert left_in(folder) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "404, there is no such file"), (403, "it is forbidden"), (401, "it wants a login")],
)
def test_what_a_server_refuses_is_not_asked_again(server, folder, status, said):
    server.statuses = [status] * 9
    assert said in refused(pinned(server))
    assert len(server.requests) == 1
    assert left_in(folder) == []


def test_a_busy_server_is_asked_again(server, folder):
    server.statuses = [503, 429]
    assert fetch(pinned(server)).read_bytes() == CONTENT
    server.statuses = [503] * 9
    with pytest.raises(DownloadError, match="could not be fetched: the server answered 503"):
        fetch(pinned(server), path=folder / "again.bin")


def test_a_size_that_nobody_gives_is_refused(server, folder):
    server.announces = False
    assert "does not say how large it is" in refused(WeightsFile(server.url, "net"))
    assert fetch(pinned(server)).read_bytes() == CONTENT


def test_no_network_is_one_line_with_what_to_do(folder, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    message = refused(WeightsFile("https://example.org/weights.bin", "net", 5, SHA256))
    assert message.startswith("example.org cannot be reached (Name or service not known)")
    assert "HTTPS_PROXY" in message
    assert left_in(folder) == []


def test_a_refused_connection_is_no_network(folder):
    with file_server(b"") as gone:
        pass
    assert "127.0.0.1 cannot be reached" in refused(WeightsFile(gone.url, "net", 5, SHA256))


def test_a_proxy_of_the_environment_is_used(server, folder, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.rpartition("/files")[0])
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    file = WeightsFile("http://no-such-host.invalid/weights.bin", "net", len(CONTENT), SHA256)
    assert fetch(file).read_bytes() == CONTENT
    assert server.requests[0]["Host"] == "no-such-host.invalid"


def test_a_disk_without_room_is_noticed_first(server, folder, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=600_000))
    said = r"net has 600 kB of free space, but 700 kB are to be downloaded; .*VIDEOSEG_WEIGHTS"
    with pytest.raises(DownloadError, match=said):
        fetch(pinned(server))
    assert left_in(folder) == []


@pytest.mark.parametrize("when", ["writing", "closing"])
def test_a_disk_that_fills_up_is_left_as_it_was(server, folder, monkeypatch, when):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "writing":
        write, calls = transfer._Partial.write, []

        def fill(partial, chunk, offset):
            calls.append(chunk)
            return full() if len(calls) > 1 else write(partial, chunk, offset)

        monkeypatch.setattr(transfer._Partial, "write", fill)
    else:
        monkeypatch.setattr(os, "fsync", full)
    message = refused(pinned(server))
    assert message.startswith(f"cannot write {folder / 'weights.bin'}: No space left on device")
    assert left_in(folder) == []


def test_a_folder_that_cannot_be_made_is_named(server, folder):
    folder.write_text("a file")
    with pytest.raises(DownloadError, match=r"cannot write .*weights.bin: File exists"):
        fetch(pinned(server))


def test_two_processes_do_not_write_the_same_file(server, folder):
    folder.mkdir()
    lock = FileLock(folder / ".weights.bin.lock")
    assert lock.acquire()
    assert "another process is downloading" in refused(pinned(server))
    lock.release()
    fetch(pinned(server))


def test_an_encrypted_connection_is_not_left():
    request = type("Request", (), {"type": "https"})()
    with pytest.raises(OSError, match="not https"):
        transfer._Redirects().redirect_request(request, None, 302, "", {}, "http://example.org/x")


# -- plans -----------------------------------------------------------------------------------


def test_what_is_here_is_not_fetched_again(server, folder):
    assert download_weights([pinned(server)]) == [folder / "weights.bin"]
    assert download_weights([pinned(server)]) == []
    assert plan_downloads([pinned(server)]) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [(CONTENT[:500], "has 500 of 700,000 bytes"), (CONTENT[::-1], "its SHA-256 is")],
)
def test_a_damaged_file_is_replaced(server, folder, content, reason):
    folder.mkdir()
    (folder / "weights.bin").write_bytes(content)
    [plan] = plan_downloads([pinned(server)])
    assert reason in plan.reason
    assert download_weights([plan])
    assert (folder / "weights.bin").read_bytes() == CONTENT


def test_a_size_that_is_not_declared_is_asked_for(server):
    [plan] = plan_downloads([WeightsFile(server.url, "net", license="MIT")])
    assert (plan.num_bytes, plan.license, plan.terms) == (len(CONTENT), "MIT", "")
    assert server.requests == []


def test_another_folder_holds_what_another_machine_needs(server, folder, tmp_path):
    stick = tmp_path / "stick"
    assert download_weights([pinned(server)], folder=stick) == [stick / "net" / "weights.bin"]
    assert not folder.exists()


def test_the_folder_of_weights_can_be_chosen(monkeypatch, tmp_path):
    file = WeightsFile("https://example.org/a%20b.bin?x=1", "net")
    assert file.path == tmp_path / "net" / "a b.bin"
    monkeypatch.delenv("VIDEOSEG_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert file.path == tmp_path / "cache" / "videoseg" / "net" / "a b.bin"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert file.path == Path.home() / ".cache" / "videoseg" / "net" / "a b.bin"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "example.org/a.bin", "https://a.org/"])
def test_only_addresses_of_files_on_the_web_can_be_declared(url):
    with pytest.raises(ConfigError, match="need the address of a file"):
        WeightsFile(url, "net")


def test_a_hash_of_the_wrong_form_cannot_be_declared():
    with pytest.raises(ConfigError, match=r"md5 of a\.bin must be 32 digits"):
        WeightsFile("https://example.org/a.bin", "net", md5="A" * 32)
    with pytest.raises(ConfigError, match=r"sha256 of a\.bin must be 64 digits"):
        WeightsFile("https://example.org/a.bin", "net", 5, "ABC")


def test_a_folder_that_cannot_be_looked_into_is_told(server, monkeypatch, tmp_path):
    # Longer than any name can be; a folder of someone else's fails in the same way.
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path / ("x" * 300)))
    assert pinned(server).problem() == "cannot be looked for (File name too long)"
    model = ModelScopeModel("someone/model", "net")
    assert model.problem() == "cannot be looked for (File name too long)"
    assert "File name too long" in refused_at_once(pinned(server))


def refused_at_once(file):
    with pytest.raises(DownloadError, match="cannot write") as caught:
        download_weights([file])
    return str(caught.value)


def test_a_home_that_is_unknown_is_no_home(monkeypatch):
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", "~nobody-of-this-name/weights")
    assert weights_folder("net") == Path("~nobody-of-this-name/weights/net")
    monkeypatch.delenv("VIDEOSEG_WEIGHTS")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(ConfigError, match=r"home folder is unknown; .*VIDEOSEG_WEIGHTS"):
        weights_folder("net")
