"""Pipeline files."""

from __future__ import annotations

import os
import random
from pathlib import Path

from inputs.common import Inputs, canary_code, command
from videoseg import Pipeline

_STAGES = "grounder: attributes\npropagator: flow\nsegmenter: cut\n"
_FRAGMENTS = (
    *(
        "sampler: ",
        "uniform",
        "grounder: attributes\n",
        "propagator: flow\n",
        "options: ",
        "name: ",
    ),
    *(
        "- ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "  ",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!!set ",
        "!!bool ",
    ),
    *(
        "!!python/object:os.system ",
        "? ",
        "| ",
        "> ",
        "'",
        '"',
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "0x",
    ),
    *(
        "1:",
        "2020-01-01",
        ".nan",
        ".inf",
        "~",
        "=",
        "\\ud800",
        "\\U7fffffff",
        "#",
        "\t",
        "\x85",
        "\x00",
    ),
    *("num_frames: ", "-1", "true", "1" * 500, "max_turns: ", "chat: ", "\ufeff", "\u2028"),
)


def _laughs(text: str) -> str:
    lines = [f"&a [{text}]"]
    for earlier, later in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"&{later} [{','.join([f'*{earlier}'] * 10)}]")
    return f"[{', '.join(lines)}]"


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    laughs = _laughs("x,x,x,x")
    texts = {
        "good": f"sampler: first\n{_STAGES}",
        "laughs-turns": f"sampler: first\nmax_turns: {laughs}\n{_STAGES}",
        "laughs-stage": f"sampler: {laughs}\n{_STAGES}",
        "laughs-option": f"sampler: {{name: uniform, options: {{x: {laughs}}}}}\n{_STAGES}",
        "laughs-key": f"? {laughs}\n: 1\n{_STAGES}",
        "laughs-text": f"name: {_laughs('x' * 3000)}\n{_STAGES}",
        "laughs-merge": "a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b, *b]}\n",
        "cycle": "sampler: &a [*a]\n" + _STAGES,
        "cycle-merge": "sampler: &a {<<: *a}\n" + _STAGES,
        "deep-flow": "{a: " * 20_000,
        "deep-list": "[" * 40_000,
        "deep-block": "".join(f"{' ' * depth}a:\n" for depth in range(250)),
        "long-number": f"sampler: first\nmax_turns: {'9' * 6000}\n{_STAGES}",
        "long-float": f"sampler: first\nmax_turns: 0.{'9' * 6000}\n{_STAGES}",
        "hex": f"sampler: first\nmax_turns: 0x{'f' * 6000}\n{_STAGES}",
        "minutes": f"sampler: first\nmax_turns: {':'.join(['1'] * 3000)}\n{_STAGES}",
        "twice": f"sampler: first\n{_STAGES}sampler: uniform\n",
        "twice-inside": f"sampler: {{name: uniform, name: first}}\n{_STAGES}",
        "code": f"!!python/object/apply:os.system ['{canary_code()}']",
        "code-inside": f"sampler: !!python/object/apply:os.system ['{canary_code()}']\n{_STAGES}",
        "binary": f"name: !!binary aGVsbG8=\n{_STAGES}",
        "many-keys": "\n".join(f"key{number}: 1" for number in range(4000)),
        "long-name": f"name: {'x' * 49_000}\nsampler: first\n{_STAGES}",
        "surrogates": f'name: "\\ud800"\nsampler: first\n{_STAGES}',
        "escapes": f'name: "\\x1b[2J"\nsampler: "\\x1b[2J"\n{_STAGES}',
        "two-documents": f"sampler: first\n{_STAGES}---\n{_STAGES}",
        "huge": "a: b\n" * 300_000,
    }
    for value in (
        "-1",
        "true",
        "1" + "0" * 21,
        ".nan",
        ".inf",
        "-.inf",
        "[1]",
        "{}",
        "many",
        "1e400",
    ):
        text = f"sampler: {{name: uniform, options: {{num_frames: {value}}}}}\n{_STAGES}"
        texts[f"num_frames-{value}"] = text
    for number in range(40):
        texts[f"fragments-{number}"] = "".join(
            rng.choice(_FRAGMENTS) for _ in range(rng.randrange(2, 40))
        )
    for name, text in texts.items():
        yield name, lambda place, text=text: _explained(text)
        yield f"{name}-validate", lambda place, text=text: _validated(place, text)
    for name, make in {
        "pipe": os.mkfifo,
        "latin": lambda path: Path(path).write_bytes(b"name: caf\xe9\n"),
        "folder": os.mkdir,
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
        "circle": lambda path: Path(path).symlink_to(path),
    }.items():
        yield name, lambda place, make=make: _special(place, make)


def _explained(text: str) -> str:
    problems = Pipeline.from_yaml(f"{text}\n").explain().problems
    if any(len(problem) > 4000 for problem in problems):
        return "bad\na problem is too long"
    return f"refused\n{problems}" if problems else "taken\n"


def _validated(place: Path, text: str) -> str:
    (place / "mine.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    return command("config", "validate", "mine.yaml")


def _special(place: Path, make: object) -> str:
    make(str(place / "mine.yaml"))  # type: ignore[operator]
    return command("config", "validate", str(place / "mine.yaml"))
