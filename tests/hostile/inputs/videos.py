"""Video files, and what lies where one should."""

from __future__ import annotations

import os
import random
from pathlib import Path

from inputs.common import Inputs, canary_code, clip_file, command, quick_stages, spoiled
from videoseg import Video


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    quick_stages()
    whole = clip_file(folder, frames=24).read_bytes()
    files = {"good": whole}
    files |= {f"cut-{n}": whole[: len(whole) * n // 16] for n in range(16)}
    files |= {f"spoiled-{n}": spoiled(whole, rng) for n in range(30)}
    for number in range(10):
        flipped = bytearray(whole)
        # The boxes at the end say where everything is.
        for _ in range(3):
            flipped[rng.randrange(len(whole) * 3 // 4, len(whole))] ^= 1 << rng.randrange(8)
        files[f"index-{number}"] = bytes(flipped)
    files |= {
        "empty": b"",
        "text": b"not a video\n",
        "page": b"<!doctype html><html><body>404</body></html>",
        "zeros": bytes(100_000),
        "noise": rng.randbytes(50_000),
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "playlist": f"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n{canary_code()}\n".encode(),
        "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "box-of-4GB": b"\xff\xff\xff\xff" + whole[4:],
        "box-of-0": bytes(4) + whole[4:],
        "twice": whole + whole,
    }
    for name, data in files.items():
        yield name, lambda place, data=data: _read(place, "clip.mp4", data)
    for suffix in ("gif", "png", "webp", "tiff", "avi", "mkv", "txt", "EPS", "svg", "pdf"):
        data = whole if suffix != "EPS" else _postscript()
        yield (
            f"as-{suffix}",
            lambda place, suffix=suffix, data=data: _read(place, f"clip.{suffix}", data),
        )
    names = {
        "long": "v" * 6000,
        "long-folders": "/".join(["v" * 200] * 30),
        "null": "a\x00b",
        "surrogate": "caf\udce9.mp4",
        "escape": "\x1b[2J.mp4",
        "tilde": "~clip.mp4",
        "url": "http://127.0.0.1:9/clip.mp4",
        "protocol": "concat:/etc/passwd|/etc/passwd",
        "device": "/dev/zero",
        "null-device": "/dev/null",
        "terminal": "/dev/tty",
        "folder": "/proc/self",
    }
    for name, path in names.items():
        yield f"name-{name}", lambda place, path=path: _open(path)
        if name != "null":
            yield f"name-{name}-run", lambda place, path=path: _run(path)
    for name, make in {
        "pipe": os.mkfifo,
        "circle": lambda path: Path(path).symlink_to(path),
        "dangling": lambda path: Path(path).symlink_to("nowhere"),
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
    }.items():
        yield name, lambda place, make=make: _special(place, make)


def _postscript() -> bytes:
    head = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    return f"{head}(%pipe%{canary_code()}) (w) file\n".encode()


def _read(place: Path, name: str, data: bytes) -> None:
    (place / name).write_bytes(data)
    _open(str(place / name))


def _open(path: str) -> None:
    with Video.open(path) as video:
        number = min(len(video), 30)
        for index in (0, number - 1, number // 2):
            video[index]


def _run(path: str) -> str:
    return command("run", path, "x", "--pipeline", "quick", "-q", "-o", "out", "--only", "masks")


def _special(place: Path, make: object) -> None:
    make(str(place / "clip.mp4"))  # type: ignore[operator]
    _open(str(place / "clip.mp4"))
