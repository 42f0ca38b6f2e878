"""Names, pictures and zips that are broken or malicious are refused with a clear error."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from videoseg.benchmarks import PredictionFolder, is_plain_name, is_safe_id
from videoseg.benchmarks.mask_pictures import read_ids, read_mask
from videoseg.errors import EvaluationError


def test_names_that_cannot_lead_out() -> None:
    assert all(is_plain_name(name) for name in ("bear", "00000", "-x_1", "a.b", "..a", "日本"))
    assert all(is_safe_id(name) for name in ("bear", "a/b/c"))
    bad = ("", ".", "..", "a/b", "a\\b", "a\0", "C:x", " a", "a ", "\n", "é" * 200, None, 7)
    assert not any(is_plain_name(name) for name in bad)
    assert not any(is_safe_id(name) for name in ("../a", "a/..", "/a", "a/", "a//b", "a/./b"))


def zip_bomb(path: Path) -> None:
    """Write a mask of 100 MB that takes 100 KB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        chunk = b"\0" * 2**20
        with archive.open("bear/0/00000.png", "w") as file:
            for _ in range(100):
                file.write(chunk)


def test_a_zip_bomb_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    zip_bomb(bomb)
    begin = time.perf_counter()
    with pytest.raises(EvaluationError, match="unpacks to"):
        PredictionFolder(bomb)
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("bad", ["../evil.png", "/abs.png", "a/../../b.png", "a\\..\\b.png"])
def test_a_zip_whose_names_lead_out_is_refused(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(bad, b"x")
    with pytest.raises(EvaluationError, match="leads out of it"):
        PredictionFolder(path)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_device_is_no_mask() -> None:
    device = Path("/dev/zero")
    if not device.exists():
        pytest.skip("no devices here")
    with pytest.raises(EvaluationError, match="is a device"):
        read_mask(device, where="the mask")


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n{} loop\n%%EOF\n",
        b"GRIB" + bytes(100),
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(40),
    ],
)
def test_what_is_no_usual_picture_is_not_opened(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    def forbidden(*_args: object, **_named: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    monkeypatch.setattr(subprocess, "check_call", forbidden)
    file = tmp_path / "mask.png"
    file.write_bytes(data)
    for source in (file, data):
        for read in (read_mask, read_ids):
            with pytest.raises(EvaluationError, match="the mask cannot be read as a picture"):
                read(source, where="the mask")


def test_a_truncated_mask_is_told_with_what_to_do(tmp_path: Path) -> None:
    from PIL import Image

    file = tmp_path / "mask.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(EvaluationError, match=r"cannot be read as a picture .*; download"):
        read_ids(file, where="the mask", fix="download the annotations again")
