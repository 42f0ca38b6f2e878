"""Checkpoints of networks."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inputs.common import Inputs, SkippedError, canary_code, spoiled
from videoseg.testing import moving_square


class _Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.code,)


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    try:
        import torch
    except ImportError:
        yield "all", lambda place: _skip("torch is not installed")
        return
    whole = _saved({"model": {"a.weight": torch.zeros(3, 3)}})
    files: dict[str, bytes] = {
        "empty": b"",
        "page": b"<!doctype html><html>404</html>",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "other-network": whole,
        "number": _saved(5),
        "list": _saved([torch.zeros(2)]),
        "complex": _saved({"model": {"a": torch.zeros(2, dtype=torch.complex64)}}),
        "sparse": _saved({"model": {"a": torch.zeros(2, 2).to_sparse()}}),
        "meta": _saved({"model": {"a": torch.zeros(2, 2, device="meta")}}),
        "nan": _saved({"model": {"a": torch.full((2,), float("nan"))}}),
        "huge-view": _saved({"model": {"a": torch.zeros(1).expand(10**9)}}),
        "code-zip": _saved({"model": _Runs(canary_code())}),
        "code-raw": pickle.dumps({"model": _Runs(canary_code())}),
        "code-old": _saved({"model": _Runs(canary_code())}, old=True),
        "code-protocol-0": pickle.dumps(_Runs(canary_code()), protocol=0),
        "zip-bomb": _zip({"archive/data.pkl": bytes(300_000_000)}),
        "zip-slip": _zip({"../../outside": b"x", "archive/data.pkl": pickle.dumps({})}),
        "zip-empty": _zip({}),
        "cut": whole[: len(whole) // 2],
        "cut-head": whole[100:],
    }
    files |= {f"spoiled-{n}": spoiled(whole, rng) for n in range(8)}
    for name, data in files.items():
        for network in ("xmem", "cutie", "sam2"):
            yield (
                f"{network} {name}",
                lambda place, network=network, data=data: _load(
                    place, network, "weights.pth", data
                ),
            )
    for name, data in _safetensors().items():
        for network in ("xmem", "cutie", "sam2"):
            yield (
                f"{network} {name}",
                lambda place, network=network, data=data: _load(
                    place, network, "weights.safetensors", data
                ),
            )
    makers: dict[str, Callable[[str], object]] = {
        "pipe": os.mkfifo,
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
        "folder": os.mkdir,
    }
    for name, make in makers.items():
        for network in ("xmem", "cutie", "sam2"):
            yield (
                f"{network} {name}",
                lambda place, network=network, make=make: _special(place, network, make),
            )


def _skip(text: str) -> None:
    raise SkippedError(text)


def _saved(value: Any, *, old: bool = False) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _safetensors() -> dict[str, bytes]:
    def file(header: Any, data: bytes = b"") -> bytes:
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return {
        "st-length": struct.pack("<Q", 2**62) + b"{}",
        "st-no-json": struct.pack("<Q", 4) + b"\xff\xff\xff\xff",
        "st-deep": struct.pack("<Q", 60_000) + b"[" * 60_000,
        "st-offsets": file({"a": {**one, "data_offsets": [0, 2**40]}}, bytes(8)),
        "st-negative": file({"a": {**one, "data_offsets": [8, 0]}}, bytes(8)),
        "st-shape": file({"a": {**one, "shape": [2**60]}}, bytes(8)),
        "st-dtype": file({"a": {**one, "dtype": "X9"}}, bytes(8)),
        "st-other": file({"a": one}, bytes(8)),
    }


def _load(place: Path, network: str, name: str, data: bytes) -> None:
    (place / name).write_bytes(data)
    _use(network, place / name)


def _special(place: Path, network: str, make: Callable[[str], object]) -> None:
    make(str(place / "weights.pth"))
    _use(network, place / "weights.pth")


def _use(network: str, checkpoint: Path) -> None:
    clip = moving_square(3, size=(48, 64))
    propagator: Any
    try:
        if network == "xmem":
            from videoseg_xmem import XMemPropagator

            propagator = XMemPropagator(checkpoint=checkpoint, size=48, device="cpu")
        elif network == "cutie":
            from videoseg_cutie import CutiePropagator

            propagator = CutiePropagator(checkpoint=checkpoint, max_internal_size=48, device="cpu")
        else:
            from videoseg_sam2 import Sam2Propagator

            propagator = Sam2Propagator(model="toy", checkpoint=checkpoint, device="cpu")
    except ImportError as error:
        raise SkippedError(str(error)) from error
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        list(session.run())
