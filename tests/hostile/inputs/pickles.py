"""Pickles and JSON that benchmarks publish."""

from __future__ import annotations

import json
import os
import pickle
import pickletools
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawn_benchmarks

from inputs.common import Inputs, canary_code, changed, deep_json, spoiled
from videoseg.benchmarks import open_benchmark


class _Runs:
    def __init__(self, code: str, how: Any = os.system) -> None:
        self.code, self.how = code, how

    def __reduce__(self) -> tuple[Any, ...]:
        return self.how, (self.code,)


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    good = folder / "given" / "refcoco"
    good.mkdir(parents=True)
    drawn_benchmarks.refcoco_writer("refcoco", "refs(unc).p")(good)
    whole = (good / "refcoco" / "refs(unc).p").read_bytes()
    references = pickle.loads(whole)
    cycle: list[Any] = []
    cycle.append(cycle)
    shared: Any = ["x"]
    for _ in range(30):
        shared = [shared] * 2
    files = {
        "good": whole,
        "code": pickle.dumps(_Runs(canary_code())),
        "code-0": pickle.dumps(_Runs(canary_code()), protocol=0),
        "code-eval": pickle.dumps(_Runs(f"__import__('os').system({canary_code()!r})", eval)),
        "code-inside": pickle.dumps([*references, _Runs(canary_code())]),
        "code-optimized": pickletools.optimize(pickle.dumps(_Runs(canary_code()))),
        "persistent": b"\x80\x04\x8c\x01xQ.",
        "cycle": pickle.dumps(cycle),
        "cycle-inside": pickle.dumps([{**references[0], "sentences": cycle}]),
        "shared": pickle.dumps(shared),
        "shared-inside": pickle.dumps([{**references[0], "sentences": shared}]),
        "deep": b"(" * 50_000 + b"l" * 50_000 + b".",
        "huge-bytes": b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"x.",
        "huge-frame": b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"x.",
        "empty": b"",
        "text": b"[]",
        "number": pickle.dumps(5),
        "none": pickle.dumps(None),
    }
    files |= {f"changed-{n}": pickle.dumps(changed(references, rng)) for n in range(20)}
    files |= {f"spoiled-{n}": spoiled(whole, rng) for n in range(20)}
    for name, data in files.items():
        yield (
            name,
            lambda place, data=data: _open(place, good, "refcoco", "refcoco/refs(unc).p", data),
        )
    expressions = folder / "given" / "mevis"
    drawn_benchmarks.write_mevis(expressions)
    for path in sorted(expressions.rglob("*.json")):
        inner = str(path.relative_to(expressions))
        text = path.read_text()
        document = json.loads(text)
        texts = {
            "good": text,
            "deep": deep_json(),
            "number": "9" * 6000,
            "list": "[]",
            "empty": "",
        }
        texts |= {f"changed-{n}": json.dumps(changed(document, rng)) for n in range(12)}
        for name, other in texts.items():
            yield (
                f"{name} {path.name}",
                lambda place, inner=inner, other=other: _open(
                    place, expressions, "mevis", inner, other.encode("utf-8", "surrogatepass")
                ),
            )
    makers: dict[str, Callable[[str], object]] = {
        "pipe": os.mkfifo,
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
        "folder": os.mkdir,
    }
    for name, make in makers.items():
        yield name, lambda place, make=make: _special(place, good, make)


def _open(place: Path, good: Path, benchmark: str, inner: str, data: bytes) -> None:
    root = place / "given"
    shutil.copytree(good, root)
    (root / inner).write_bytes(data)
    _read(benchmark, root)


def _special(place: Path, good: Path, make: Callable[[str], object]) -> None:
    root = place / "given"
    shutil.copytree(good, root)
    (root / "refcoco/refs(unc).p").unlink()
    make(str(root / "refcoco/refs(unc).p"))
    _read("refcoco", root)


def _read(benchmark: str, root: Path) -> None:
    split = open_benchmark(benchmark, root, "")
    for sample in list(split.samples)[:3]:
        _ = sample.query
