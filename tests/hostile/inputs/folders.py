"""Folders of frames."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from inputs.common import Inputs, canary_code, spoiled
from videoseg import Video


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    for kind in ("png", "jpg", "webp", "bmp", "tiff", "gif"):
        whole = _picture(kind)
        # Whether a GIF is a picture or a video is not for this to say.
        name = "whole" if kind == "gif" else "good"
        yield f"{name} {kind}", lambda place, kind=kind, data=whole: _with(place, kind, data)
        for number in range(6):
            data = spoiled(whole, rng)
            yield f"{kind}-{number}", lambda place, kind=kind, data=data: _with(place, kind, data)
        half = whole[: len(whole) // 2]
        yield f"{kind}-half", lambda place, kind=kind, data=half: _with(place, kind, data)
    bombs = {
        "wide": _png(2**31 - 1, 1),
        "large": _png(60_000, 60_000),
        "no-size": _png(0, 0),
        "text-bomb": _png(32, 24, _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))),
    }
    for name, data in bombs.items():
        yield name, lambda place, data=data: _with(place, "png", data)
    code = canary_code()
    script = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n({code}) system\nshowpage\n"
    yield "postscript", lambda place: _with(place, "png", script.encode())
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><script>{code}</script></svg>"
    yield "svg", lambda place: _with(place, "png", svg.encode())
    special: dict[str, Callable[[Path], object]] = {
        "pipe": lambda path: os.mkfifo(path),
        "folder": lambda path: path.mkdir(),
        "dangling": lambda path: path.symlink_to("nowhere"),
        "circle": lambda path: path.symlink_to(path.name),
        "zero": lambda path: path.symlink_to("/dev/zero"),
        "empty": lambda path: path.touch(),
    }
    for name, make in special.items():
        yield name, lambda place, make=make: _special(place, make)
    for name in ("\x1b[2J.png", "caf\udce9.png", "\u202egnp.exe.png", "9" * 240 + ".png", ".png"):
        yield f"name {name[:20]!r}", lambda place, name=name: _named(place, name)


def _picture(kind: str, size: tuple[int, int] = (32, 24)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 40).convert("RGB").save(file, {"jpg": "jpeg"}.get(kind, kind))
    return file.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, more: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(3000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", header), more, _chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    )


def _with(place: Path, kind: str, data: bytes) -> None:
    (place / "given").mkdir()
    (place / "given" / f"000.{kind}").write_bytes(_picture(kind))
    (place / "given" / f"001.{kind}").write_bytes(data)
    _read(place / "given")


def _special(place: Path, make: Callable[[Path], object]) -> None:
    (place / "given").mkdir()
    (place / "given" / "000.png").write_bytes(_picture("png"))
    make(place / "given" / "001.png")
    _read(place / "given")


def _named(place: Path, name: str) -> None:
    (place / "given").mkdir()
    (place / "given" / name).write_bytes(_picture("png"))
    _read(place / "given")


def _read(folder: Path) -> None:
    with Video.open(folder) as video:
        for index in range(len(video)):
            video[index]
