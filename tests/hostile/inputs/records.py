"""Records of an evaluation, and what describes its run."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawn_answers
import drawn_benchmarks

import videoseg as vs
from inputs.common import Inputs, changed, command, deep_json, spoiled


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    vs.add("grounder", "knows", drawn_answers.Knows)
    vs.add("propagator", "draws", drawn_answers.Draws)
    vs.add("pipeline", "drawn", drawn_answers.drawn)
    root, good = folder / "given" / "mevis", folder / "given" / "out"
    drawn_benchmarks.write_mevis(root)
    run = ("eval", "mevis", "--root", str(root), "--pipeline", "drawn", "-q")
    command(*run, "-o", str(good), "--workers", "0")
    lines = (good / "records.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    described = json.loads((good / "run.json").read_text())
    records: dict[str, list[str]] = {
        "good": lines,
        "deep": [deep_json()],
        "rubbish": ["\x00\x01"] * 50,
        "empty": [],
        "lists": ["[]"] * 3,
        "numbers": ["9" * 6000],
        "twice": lines + lines,
        "half": [*lines, lines[0][:50], lines[1]],
    }
    records |= {f"changed-{n}": [json.dumps(changed(first, rng)), *lines[1:]] for n in range(40)}
    for n in range(10):
        records[f"spoiled-{n}"] = [spoiled(lines[0].encode(), rng).decode("latin-1"), *lines[1:]]
    for name, text in records.items():
        changes = {"records.jsonl": "\n".join(text) + "\n"}
        yield name, lambda place, changes=changes: _report(place, good, run, changes)
    for number in range(25):
        changes = {"run.json": json.dumps(changed(described, rng))}
        yield f"run-{number}", lambda place, changes=changes: _report(place, good, run, changes)
    changes = {"run.json": deep_json()}
    yield "run-deep", lambda place, changes=changes: _report(place, good, run, changes)
    makers: dict[str, Callable[[str], object]] = {
        "pipe": os.mkfifo,
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
        "folder": os.mkdir,
    }
    for part in ("records.jsonl", "run.json"):
        for name, make in makers.items():
            yield (
                f"{part} {name}",
                lambda place, part=part, make=make: _special(place, good, run, part, make),
            )


def _report(place: Path, good: Path, run: Any, changes: dict[str, str]) -> str:
    shutil.copytree(good, place / "out")
    for name, text in changes.items():
        (place / "out" / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    return _used(good, run)


def _special(place: Path, good: Path, run: Any, part: str, make: Callable[[str], object]) -> str:
    shutil.copytree(good, place / "out")
    (place / "out" / part).unlink()
    make(str(place / "out" / part))
    return _used(good, run)


def _used(good: Path, run: tuple[str, ...]) -> str:
    verdicts = [command(*run, "-o", "out", "--report-only"), command("compare", "out", str(good))]
    return next((verdict for verdict in verdicts if verdict.startswith("bad")), verdicts[0])
