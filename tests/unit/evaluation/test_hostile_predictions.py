"""Zips, folders and JSON that somebody broke, or made to break whoever reads them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zipfile

import pytest
from drawn_benchmarks import FRAMES, VIDEOS, ids_picture, write_ids

from videoseg.benchmarks import archive
from videoseg.errors import EvaluationError
from videoseg.evaluation import read_annotations, score_predictions
from videoseg.metrics import protocol_named

DAVIS = protocol_named("davis-2017-semi-supervised")
FIRST = f"bear/{FRAMES[0]}.png"


@pytest.fixture
def truth(tmp_path):
    for video in VIDEOS:
        for index, name in enumerate(FRAMES):
            write_ids(tmp_path / "truth" / video / f"{name}.png", ids_picture(video, index))
    return tmp_path / "truth"


@pytest.fixture
def packed(truth, tmp_path):
    """Return what packs the truth as predictions, with another content of one file."""

    def pack(content: bytes | None = None, method: int = zipfile.ZIP_DEFLATED):
        path = tmp_path / "packed.zip"
        with zipfile.ZipFile(path, "w", method) as target:
            for file in sorted(truth.rglob("*.png")):
                name = str(file.relative_to(truth))
                changed = content is not None and name == FIRST
                target.writestr(name, content if changed else file.read_bytes())
        return path

    return pack


def scored(truth, path, **more):
    return score_predictions(read_annotations(truth, DAVIS), path, **more)


def damaged(path, name, change):
    """Change the packed bytes of one file in a zip."""
    with zipfile.ZipFile(path) as source:
        info = source.getinfo(name)
    data = bytearray(path.read_bytes())
    start = info.header_offset
    name_length, extra_length = struct.unpack_from("<HH", data, start + 26)
    begin = start + 30 + name_length + extra_length
    data[begin : begin + info.compress_size] = change(
        bytes(data[begin : begin + info.compress_size])
    )
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xff" * len(data),
        lambda data: data[: len(data) // 2] + b"\0" * (len(data) - len(data) // 2),
        lambda data: bytes(byte ^ 0x55 for byte in data),
    ],
)
def test_a_damaged_file_in_a_zip_is_told_by_its_name(truth, packed, change):
    path = damaged(packed(), FIRST, change)
    with pytest.raises(EvaluationError, match=rf"{FIRST}.*write the zip again"):
        scored(truth, path)
    report = scored(truth, path, on_error="zero")
    assert report.coverage.failed == 1 and report.overall["j"] == 0.5


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_bound_are_refused(truth, packed, method):
    with pytest.raises(EvaluationError, match="pack the zip again, with deflate"):
        scored(truth, packed(method=method))


def test_a_zip_that_lies_about_sizes_and_methods_stays_bounded(truth, packed):
    path = packed(b"\0" * 8_000_000)
    with pytest.raises(EvaluationError, match="unpacks to 8000000 bytes"):
        scored(truth, path)
    # The directory says 100 bytes, which is what is read; the check sum then fails.
    data = bytearray(path.read_bytes())
    entry = data.rindex(FIRST.encode()) - 46
    struct.pack_into("<I", data, entry + 24, 100)
    path.write_bytes(bytes(data))
    with pytest.raises(EvaluationError, match="write the zip again"):
        scored(truth, path)


@pytest.mark.parametrize("place", [4, 42, 46])
def test_a_damaged_directory_of_a_zip_is_refused(truth, packed, place):
    path = packed()
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + place : entry + place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    with pytest.raises(EvaluationError):
        scored(truth, path)


def test_names_in_a_zip_that_would_fill_the_memory_are_refused(truth, tmp_path):
    path = tmp_path / "deep.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("a/" * 30_000 + "b.png", b"")
    with pytest.raises(EvaluationError, match="a name that") as caught:
        scored(truth, path)
    assert len(str(caught.value)) < 500


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n{} loop\n",
        b"",
        PNG,
        PNG + b"\xff\xff\xff\xffIHDR",
        PNG + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0, 0),
        b"GIF89a\xff\xff\xff\xff\xf7",
        b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40,
    ],
)
def test_what_is_no_mask_is_told_whatever_it_is(truth, packed, content, monkeypatch):
    def refused(*_arguments, **_options):
        raise AssertionError("a program was started for a picture")

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(EvaluationError, match=FIRST):
        scored(truth, packed(content))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_in_the_place_of_masks_and_documents_do_not_hang(truth, tmp_path):
    folder = tmp_path / "predicted" / "bear"
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"{FRAMES[0]}.png")
    with pytest.raises(EvaluationError, match="is a named pipe"):
        scored(truth, tmp_path / "predicted")
    os.mkfifo(tmp_path / "masks.json")
    with pytest.raises(EvaluationError, match="is a named pipe"):
        scored(truth, tmp_path / "masks.json")
    with pytest.raises(EvaluationError, match="neither a folder nor a zip"):
        scored(truth, folder / f"{FRAMES[0]}.png")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested|recursion"),
        ('{"bear": ' * 50_000, "nested|recursion"),
        ("[]", "list"),
        ("{\xff", "UTF-8|JSON"),
    ],
)
def test_json_that_is_none_is_refused_in_a_short_line(drawn, tmp_path, text, said):
    path = tmp_path / "theirs.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(EvaluationError, match=said) as caught:
        score_predictions(drawn(), path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {"masks": {}},
        {"masks": [None] * 6, "frames": "012345"},
        {"masks": [None] * 6, "frames": [FRAMES[0]] * 6},
        {"masks": [None] * 6, "frames": [0, 1, 2, 3, 4, 5]},
        [None] * 5,
        [{"size": [24, 32], "counts": "o" * 5}] * 6,
        [{"size": [24, -32], "counts": "0"}] * 6,
        [[[[None]]]] * 6,
    ],
)
def test_masks_in_json_that_cannot_be_any_are_told(drawn, tmp_path, entry):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"bear": {"0": entry}}))
    with pytest.raises(EvaluationError, match="bear/0"):
        score_predictions(drawn(), path)


def test_only_what_a_mask_can_be_is_read_of_a_folder(truth, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 64)
    with pytest.raises(EvaluationError, match="larger than the 64 bytes"):
        scored(truth, truth)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
def test_names_that_are_not_utf_8_beside_predictions_do_no_harm(truth):
    os.close(os.open(bytes(truth / "bear") + b"/\xff.png", os.O_CREAT | os.O_WRONLY))
    os.mkdir(bytes(truth) + b"/\xfe")  # noqa: PTH102
    split = read_annotations(truth, DAVIS, videos=list(VIDEOS))
    assert score_predictions(split, truth).overall["j_and_f"] == 1.0
