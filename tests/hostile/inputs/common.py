"""What several categories need: a small clip, quick stages, values of every odd kind."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import videoseg as vs
from videoseg.testing import moving_square

__all__ = [
    "ODD_VALUES",
    "Inputs",
    "SkippedError",
    "canary_code",
    "changed",
    "clip_file",
    "command",
    "deep_json",
    "places_in",
    "quick_stages",
    "spoiled",
]


class SkippedError(Exception):
    """An input cannot be tried here, for lack of a package."""


Inputs = Iterator[tuple[str, Callable[[Path], object]]]

_SURROGATE = "\ud800\x1b[2J\u202e"

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**9,
    2**63,
    10**400,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "x" * 100_000,
    _SURROGATE,
    "../../../outside",
    [],
    [[]],
    [None] * 3,
    [[[[[[1]]]]]],
    list(range(2000)),
    {},
    {"size": [1, 1], "counts": "o"},
    {"a": {"a": {"a": {}}}},
)


def canary_code() -> str:
    """Return a shell command that would leave a trace."""
    return f"touch {os.environ['HOSTILE_CANARY']}"


def deep_json(depth: int = 100_000) -> str:
    """Return JSON that is nested too deeply for a recursive parser."""
    return "[" * depth + "]" * depth


def clip_file(folder: Path, *, frames: int = 12) -> Path:
    """Write the clip that inputs are about, once."""
    path = folder / "given" / "square.mp4"
    if not path.exists():
        from videoseg.video import write_video

        path.parent.mkdir(exist_ok=True)
        write_video(path, list(moving_square(frames, size=(48, 64)).video), fps=12)
    return path


class _Center:
    def step(self, episode: vs.Episode) -> vs.Grounding:
        prompt = vs.Prompt(1, 0, box=vs.Box(4, 4, 20, 20), label="middle")
        return vs.Grounding(0, (prompt,), thought=vs.Thought("a guess"))


class _Hold:
    capabilities = vs.PropagatorCapabilities(boxes=True, masks=True)

    def __init__(self, *, fails_at: int = -1) -> None:
        self.fails_at = fails_at

    def open(self, video: Any, *, seed: int = 0) -> _Session:
        return _Session(self, video)


class _Session:
    def __init__(self, hold: _Hold, video: Any) -> None:
        self.hold, self.video = hold, video
        self.prompts: list[vs.Prompt] = []

    def prompt(self, prompt: vs.Prompt) -> None:
        self.prompts.append(prompt)

    def run(self, direction: str = "forward", *, stop: int | None = None) -> Any:
        start = self.prompts[0].frame
        frames = range(start, len(self.video)) if direction == "forward" else range(start, -1, -1)
        for index in frames:
            if index == self.hold.fails_at:
                raise RuntimeError("as told")
            mask = np.zeros(self.video.size, bool)
            mask[4:20, 4:20] = True
            yield vs.FrameMasks(index, {self.prompts[0].object_id: mask}, self.video.size)

    def close(self) -> None: ...

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None: ...


def quick_stages() -> None:
    """Register the pipeline ``quick``, whose stages do next to nothing."""
    vs.add("grounder", "center", _Center)
    vs.add("propagator", "hold", _Hold)
    stages = {"sampler": "first", "grounder": "center", "propagator": "hold", "max_turns": 1}
    vs.add("pipeline", "quick", lambda: stages)


def command(*arguments: str) -> str:
    """Run a command of the program in this process; return the verdict on how it ended."""
    from videoseg.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    told = err.getvalue()
    if "Traceback" in told or "error: unexpected" in told:
        return f"bad\n{status}: {told[-800:]}"
    if any(not letter.isprintable() and letter != "\n" for letter in told):
        return f"bad\ncontrol characters: {told[-400:]!r}"
    if status == 0:
        return "taken\n"
    is_told = told.startswith("error: ") or "\nerror: " in told or bool(out.getvalue())
    if status not in (1, 2) or not is_told:
        return f"bad\nstatus {status} without a word: {told[-400:]}"
    if len(told) > 20_000:
        return f"bad\nthe error has {len(told)} characters"
    return f"refused\n{told[-600:]}"


def places_in(document: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path to every value in a JSON document."""
    found = [prefix] if prefix else []
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        found += places_in(value, (*prefix, key))
    return found


def changed(document: Any, rng: random.Random, *, times: int = 1) -> Any:
    """Return a document with some of its values replaced by odd ones, or left out."""
    document = copy.deepcopy(document)
    for _ in range(times):
        *above, last = rng.choice(places_in(document))
        inner = document
        for key in above:
            inner = inner[key]
        if rng.random() < 0.15:
            del inner[last]
        else:
            inner[last] = copy.deepcopy(rng.choice(ODD_VALUES))
    return document


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """Return data with some bytes changed, cut off, doubled or put in."""
    text = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(max(len(text), 1))
        kind = rng.randrange(4)
        if kind == 0 and text:
            text[place] = rng.randrange(256)
        elif kind == 1:
            del text[place : place + rng.randrange(1, 40)]
        elif kind == 2:
            text[place:place] = rng.randbytes(rng.randrange(1, 20))
        else:
            text[place:place] = text[place : place + rng.randrange(1, 60)]
    return bytes(text)


# Numbers of 400 digits are part of what is tried; Python refuses to write longer ones.
sys.set_int_max_str_digits(4300)
