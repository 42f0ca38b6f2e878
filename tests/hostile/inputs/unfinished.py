"""Checkpoints of interrupted runs."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

from inputs.common import Inputs, changed, clip_file, command, deep_json, quick_stages, spoiled


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    quick_stages()
    clip = str(clip_file(folder))
    run = ("run", clip, "x", "--pipeline", "quick", "-q", "-o", "out", "--only", "masks")
    good = _left_behind(folder, run)
    document = json.loads((good / "run.json").read_text())
    texts = {
        "good": json.dumps(document),
        "deep": deep_json(),
        "rubbish": "\x00\ufffd",
        "empty": "",
        "list": "[]",
        "number": "9" * 6000,
    }
    texts |= {f"changed-{n}": json.dumps(changed(document, rng)) for n in range(40)}
    whole = json.dumps(document).encode()
    texts |= {f"spoiled-{n}": spoiled(whole, rng).decode("latin-1") for n in range(15)}
    for name, text in texts.items():
        yield name, lambda place, text=text: _resumed(place, good, run, text)
    for part in ("run.json", "exchanges.jsonl", "masks"):
        for kind in ("pipe", "zero", "circle", "folder"):
            for more in ("--resume", "--overwrite"):
                yield (
                    f"{part} as {kind} {more}",
                    lambda place, part=part, kind=kind, more=more: _special(
                        place, good, (*run, more), part, kind
                    ),
                )


def _left_behind(folder: Path, run: tuple[str, ...]) -> Path:
    place = folder / "given" / "unfinished"
    place.mkdir(parents=True)
    here = Path.cwd()
    os.chdir(place)
    command(*run, "-O", "propagator.fails_at=5")
    os.chdir(here)
    return place / "out.unfinished"


def _resumed(place: Path, good: Path, run: tuple[str, ...], text: str) -> str:
    shutil.copytree(good, place / "out.unfinished")
    (place / "out.unfinished" / "run.json").write_text(text, errors="surrogatepass")
    return command(*run, "--resume")


def _special(place: Path, good: Path, run: tuple[str, ...], part: str, kind: str) -> str:
    shutil.copytree(good, place / "out.unfinished")
    path = place / "out.unfinished" / part
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"zero": "/dev/zero", "circle": path.name}[kind])
    return command(*run)
