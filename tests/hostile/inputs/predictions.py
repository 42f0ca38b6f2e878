"""Predictions of other systems, as folders, archives and JSON."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import drawn_benchmarks
import numpy as np
from PIL import Image

from inputs.common import Inputs, canary_code, command, deep_json, spoiled


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    root = folder / "given" / "davis"
    frames, truth = root / "frames", root / "truth"
    drawn_benchmarks.write_id_videos(frames, truth)
    score = ("score", "--gt", str(truth), "--protocol", "davis-2017-semi-supervised", "-q")
    whole = _picture()
    pictures = {"good": whole}
    pictures |= {f"spoiled-{n}": spoiled(whole, rng) for n in range(15)}
    script = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n({canary_code()}) system\n"
    pictures |= {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "postscript": script.encode(),
        "bomb": _png(60_000, 60_000),
        "wide": _png(2**31 - 1, 1),
        "color": _picture("RGB"),
        "float": _picture("F", "tiff"),
        "text": b"not a picture",
    }
    for name, data in pictures.items():
        yield f"{name} png", lambda place, data=data: _folder(place, truth, score, data)
    makers: dict[str, Callable[[str], object]] = {
        "pipe": os.mkfifo,
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
        "circle": lambda path: Path(path).symlink_to(path),
        "folder": os.mkdir,
    }
    for name, make in makers.items():
        yield f"png {name}", lambda place, make=make: _special(place, truth, score, make)
    members = {
        str(path.relative_to(truth)): path.read_bytes() for path in sorted(truth.rglob("*.png"))
    }
    first = next(iter(members))
    archives = {
        "good": _zip(members),
        "slip": _zip({**members, "../../outside.png": whole}),
        "absolute": _zip({**members, "/tmp/outside.png": whole}),
        "bomb": _zip({**members, first: bytes(200_000_000)}),
        "eps": _zip({**members, first: script.encode()}),
        "lzma": _zip(members, zipfile.ZIP_LZMA),
        "null": _zip({**members, "a\x00b.png": whole}),
        "empty": _zip({}),
        "none": b"PK\x05\x06",
        "text": b"not an archive",
    }
    archives |= {f"spoiled-{n}": spoiled(archives["good"], rng) for n in range(10)}
    lzma = archives["lzma"]
    archives |= {f"spoiled-lzma-{n}": spoiled(lzma, rng) for n in range(5)}
    for name, data in archives.items():
        yield f"{name} zip", lambda place, data=data: _file(place, score, "pred.zip", data)
    documents = {
        "deep": deep_json(),
        "number": "9" * 6000,
        "list": "[]",
        "rles": json.dumps({"bear": {"1": [{"size": [24, 32], "counts": "o" * 50}] * 6}}),
        "nested": json.dumps({"bear": {"1": [[[[[[]]]]]]}}),
        "sizes": json.dumps({"bear": {"1": [{"size": [10**6, 10**6], "counts": "1"}] * 6}}),
    }
    for name, text in documents.items():
        data = text.encode()
        yield f"json {name}", lambda place, data=data: _file(place, score, "pred.json", data)


def _picture(mode: str = "P", kind: str = "png") -> bytes:
    file = io.BytesIO()
    ids = np.zeros((24, 32), np.uint8)
    ids[3:9, 3:9] = 1
    image = Image.fromarray(ids)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 0, 0])
    (image if mode == "P" else image.convert(mode)).save(file, kind)
    return file.getvalue()


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _zip(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _copied(place: Path, truth: Path) -> Path:
    for path in truth.rglob("*.png"):
        copy = place / "pred" / path.relative_to(truth)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return min((place / "pred").rglob("*.png"))


def _folder(place: Path, truth: Path, score: tuple[str, ...], data: bytes) -> str:
    _copied(place, truth).write_bytes(data)
    return command(*score, "--pred", "pred", "-o", "out")


def _special(
    place: Path, truth: Path, score: tuple[str, ...], make: Callable[[str], object]
) -> str:
    path = _copied(place, truth)
    path.unlink()
    make(str(path))
    return command(*score, "--pred", "pred", "-o", "out")


def _file(place: Path, score: tuple[str, ...], name: str, data: bytes) -> str:
    (place / name).write_bytes(data)
    return command(*score, "--pred", name, "-o", "out")
