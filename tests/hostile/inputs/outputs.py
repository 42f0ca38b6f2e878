"""Places to write to."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from inputs.common import Inputs, clip_file, command, quick_stages

_PLACES = (
    *("a" * 6000, "/".join(["a" * 200] * 30), "b" * 255, "é" * 126, "\udce9", "\x1b[2J\n", " "),
    *("", ".", "..", "/", "/proc/x", "/dev/full/x", "/sys/x", "file", "file/x"),
    *(
        "pipe",
        "dangling",
        "circle/x",
        "full",
        "~nobody-of-that-name/x",
        "-",
        "out/",
        "out//../out",
    ),
)


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    quick_stages()
    clip = str(clip_file(folder))
    run = ("run", clip, "x", "--pipeline", "quick", "-q", "--only", "masks")
    for number, name in enumerate(_PLACES):
        for more in ((), ("--overwrite",), ("--export", "coco"), ("--resume",)):
            # What is above the folder of the case is not for an attempt to replace.
            if name in ("..", "/") and more:
                continue
            label = f"{number}-{name[:20]!r}{' '.join(more)}"
            arguments = (*run, "-o", name, *more)
            yield label, lambda place, arguments=arguments: _written(place, arguments)
    for name in ("x" * 6000, "pipe", "full", "file/x", "/proc/x", "device"):
        for verb in (("config", "init", "--overwrite"), ("config", "init")):
            arguments = (*verb, name)
            yield f"init {name[:20]}", lambda place, given=arguments: _written(place, given)


def _written(place: Path, arguments: tuple[str, ...]) -> str:
    makers: dict[str, Callable[[Path], object]] = {
        "file": lambda path: path.write_text("x"),
        "pipe": lambda path: os.mkfifo(path),
        "dangling": lambda path: path.symlink_to("nowhere"),
        # Not the device itself: whoever replaces that has broken the machine of the tests.
        "device": lambda path: path.symlink_to("/dev/null"),
        "circle": lambda path: path.symlink_to("circle"),
        "full": lambda path: (path.mkdir(), (path / "thesis.tex").write_text("years")),
    }
    for name, make in makers.items():
        make(place / name)
    verdict = command(*arguments)
    if (place / "full" / "thesis.tex").read_text() != "years":
        return "bad\na foreign file was replaced"
    return verdict
