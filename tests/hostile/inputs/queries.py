"""Questions, from Python and on the command line."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import videoseg as vs
from inputs.common import Inputs, clip_file, command, quick_stages
from videoseg.testing import moving_square

_WORDS = (
    *(
        "the",
        "red",
        "left",
        "of",
        "that",
        "who",
        "does",
        "not",
        "first",
        "largest",
        "second",
        "and",
    ),
    *(
        "\u202e",
        "\u200d",
        "\ud83d",
        "\x1b[2J",
        "\x00",
        "a\u0301" * 40,
        "'",
        '"',
        "<script>",
        "{",
        "]",
    ),
    *("\ufeff", "-1", "10" * 30, "É", "犬", "--help", "%s", "../..", "\\", "\t", "\n"),
)


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    quick_stages()
    clip = str(clip_file(folder))
    yield "good", lambda place: _ask("the square")
    odd: list[Any] = [
        *(None, 5, b"red", [], {}, object(), float("nan"), "", " ", "\x00", "\ud800", "\udce9"),
        *("x" * 10**6, "x " * 999, "x " * 10_000, "not " * 900, "(" * 5000, "left of the " * 300),
        *("the " * 900 + "dog", "\u0301" * 10_000, "1" * 5000, "\u3000", "\u200b"),
    ]
    for _ in range(30):
        odd.append(" ".join(rng.choice(_WORDS) for _ in range(rng.randrange(1, 60))))
    for number, query in enumerate(odd):
        yield f"asked-{number}", lambda place, query=query: _ask(query)
        if isinstance(query, str) and "\x00" not in query:
            yield (
                f"typed-{number}",
                lambda place, query=query: command(
                    *(
                        "run",
                        clip,
                        query,
                        "--pipeline",
                        "quick",
                        "-q",
                        "-o",
                        "out",
                        "--only",
                        "report",
                    )
                ),
            )


def _ask(query: Any) -> None:
    video = moving_square(6, size=(48, 64)).video
    pipe = vs.Pipeline("first", "attributes", "hold", registry=vs.default_registry())
    pipe.ground(video, query)
