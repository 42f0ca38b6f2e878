"""Options and arguments on the command line."""

from __future__ import annotations

import random
from pathlib import Path

from inputs.common import Inputs, canary_code, clip_file, command, quick_stages
from videoseg.cli.options import checked_pipeline, parse_options

_VALUES = (
    *(
        "-1",
        "0",
        "true",
        "null",
        "1" + "0" * 21,
        ".nan",
        "-.inf",
        "[]",
        "[[[[1]]]]",
        "{a: {b: 1}}",
    ),
    *(
        "x",
        "''",
        "2020-01-01",
        "0x" + "f" * 900,
        "9" * 6000,
        "[" * 5000,
        "x" * 60_000,
        "\udce9",
        "=",
    ),
    *("[&a [x,x], &b [*a,*a]]", "{a: 1, a: 2}", "!!set {a}", "\x1b[2J", '"\\ud800"', "!!int ''"),
)
_OPTIONS = (
    "sampler.num_frames",
    "sampler.nothing",
    "grounder.num_frames",
    "segmenter.smoothness",
    "propagator.lookahead",
    "propagator.scale",
    "chat.model",
)


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    quick_stages()
    clip = str(clip_file(folder))
    for option in _OPTIONS:
        for value in _VALUES:
            item = f"{option}={value}"
            yield item[:60], lambda place, item=item: _checked(item)
    run = ("run", clip, "x", "--pipeline", "quick", "-q", "-o", "out")
    code = f"propagator.fails_at=!!python/object/apply:os.system ['{canary_code()}']"
    lines = {
        "code": (*run, "-O", code),
        "no-equals": (*run, "-O", "x" * 5000),
        "long-stage": (*run, "-O", f"{'s' * 5000}.x=1"),
        "long-sampler": (*run, "--sampler", "s" * 6000),
        "odd-sampler": (*run, "--sampler", "\x1b[2J\udce9\u202e"),
        "long-pipeline": ("run", clip, "x", "--pipeline", "p" * 6000),
        "long-yaml": ("run", clip, "x", "--pipeline", "p" * 6000 + ".yaml"),
        "long-reader": (*run, "--reader", "r" * 6000),
        "long-export": (*run, "--export", "\x1b" * 500),
        "long-part": (*run, "--only", "\x1b" * 500),
        "many-turns": (*run, "--max-turns", "9" * 30),
        "long-seed": (*run, "--seed", "9" * 5000),
        "benchmark-option": ("eval", "mevis", "--root", ".", "-o", "o", "-B", "x=[[[[[[1", "-q"),
        "benchmark-value": ("eval", "mevis", "--root", ".", "-o", "o", "-B", f"x={'9' * 6000}"),
        "long-benchmark": ("eval", "b" * 6000, "--root", ".", "-o", "o"),
        "long-command": ("\x1b[2J" * 2000,),
        "odd-kind": ("plugins", "show", "\x1b[2J\udce9", "n" * 6000),
        "long-chat": ("chat", "check", "c" * 6000, "--json"),
    }
    for name, arguments in lines.items():
        yield name, lambda place, arguments=arguments: command(*arguments)


def _checked(item: str) -> object:
    return checked_pipeline("attributes", stages={}, options=parse_options([item]), max_turns=None)
