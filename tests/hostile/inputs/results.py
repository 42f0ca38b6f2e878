"""Results that somebody has changed."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import videoseg as vs
from inputs.common import Inputs, changed, deep_json, quick_stages, spoiled
from videoseg.results import export
from videoseg.testing import moving_square


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    quick_stages()
    good = folder / "given" / "result"
    video = moving_square(6, size=(48, 64)).video
    vs.Pipeline.from_name("quick")(video, "the square").save(good, parts=())
    whole = (good / "result.json").read_text()
    document = json.loads(whole)
    texts = {
        "good": whole,
        "deep": deep_json(),
        "deep-inside": json.dumps({**document, "query": 0}).replace("0", deep_json(), 1),
        "number": "9" * 6000,
        "empty": "",
        "list": "[]",
        "null": "null",
    }
    texts |= {f"changed-{n}": json.dumps(changed(document, rng)) for n in range(60)}
    texts |= {f"changed-more-{n}": json.dumps(changed(document, rng, times=4)) for n in range(20)}
    texts |= {f"spoiled-{n}": spoiled(whole.encode(), rng).decode("latin-1") for n in range(20)}
    for n in range(20):
        texts[f"mask-{n}"] = json.dumps(_with_counts(document, _counts(rng)))
    for name, text in texts.items():
        yield name, lambda place, text=text: _use(place, good, text)
    for kind in ("pipe", "zero", "circle", "folder"):
        yield kind, lambda place, kind=kind: _special(place, kind)


def _counts(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(48, 112)) for _ in range(rng.randrange(0, 60)))


def _with_counts(document: object, counts: str) -> object:
    if isinstance(document, dict):
        return {
            key: counts if key == "counts" else _with_counts(value, counts)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [_with_counts(value, counts) for value in document]
    return document


def _use(place: Path, good: Path, text: str) -> None:
    shutil.copytree(good, place / "given")
    (place / "given" / "result.json").write_text(text, errors="surrogatepass")
    result = vs.Segmentation.load(place / "given")
    for track in result.tracks:
        for frame in list(track.visible_frames)[:3]:
            track.mask(frame)
    result.save(place / "out" / "again", parts=("masks",))
    for kind in ("coco", "davis", "png", "youtube-vos"):
        export(result, place / "out" / kind, format=kind)  # type: ignore[arg-type]


def _special(place: Path, kind: str) -> None:
    (place / "given").mkdir()
    path = place / "given" / "result.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"zero": "/dev/zero", "circle": path.name}[kind])
    vs.Segmentation.load(place / "given")
