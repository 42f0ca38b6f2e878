"""Paths as people type them, and files that are no files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from videoseg.files import check_regular_file, expand_path, read_bytes, read_text


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expand_path("~/clip.mp4") == tmp_path / "clip.mp4"
    assert expand_path("~") == tmp_path


@pytest.mark.parametrize("typed", ["~clip.mp4", "./~clip.mp4"])
def test_a_file_whose_name_begins_with_a_tilde_is_itself(
    typed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expand_path(typed) == Path("~clip.mp4")  # neither a file nor a user
    (tmp_path / "~clip.mp4").touch()
    assert expand_path(typed) == Path("~clip.mp4")


def test_a_tilde_inside_a_path_is_part_of_the_name(tmp_path: Path) -> None:
    assert expand_path(tmp_path / "~" / "x~") == tmp_path / "~" / "x~"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(10)
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (read_bytes, read_text, check_regular_file):
        with pytest.raises(OSError, match="named pipe") as raised:
            read(tmp_path / "pipe")
        assert raised.value.strerror == "is a named pipe, not a regular file"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no device files")
def test_a_device_is_refused_at_once() -> None:
    with pytest.raises(OSError, match="a device"):
        read_bytes("/dev/zero")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    for read in (read_bytes, check_regular_file):
        with pytest.raises(IsADirectoryError, match="is a folder"):
            read(tmp_path)


def test_a_file_over_the_bound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", max_bytes=5) == b"12345"
    with pytest.raises(OSError, match="larger than the 4 bytes"):
        read_bytes(tmp_path / "file", max_bytes=4)


def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    assert read_text(tmp_path / "marked") == "café"
    with pytest.raises(OSError, match=r"not UTF-8 text \(byte 3\)"):
        read_text(tmp_path / "latin")


def test_a_name_with_a_null_character_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        read_bytes(f"{tmp_path}/a\0b")
