"""Plug-ins that do what none should."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

from inputs.common import Inputs, clip_file, quick_stages

_MODULE = """
import itertools, os, sys
import videoseg as vs
{at_import}

class Own(BaseException):
    pass

class Mute(Exception):
    def __str__(self):
        raise KeyError

class Stage:
    def __init__(self{arguments}):
        {at_building}

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        answer = vs.FrameSelection.of([window.start], window=window)
        {at_work}
        return answer

    def close(self):
        {at_closing}

@vs.hookimpl
def videoseg_components():
    {declaring}

@vs.hookimpl
def videoseg_{event}(event):
    {at_event}
"""
_DECLARED = "yield vs.Component('sampler', 'odd', 'odd_plugin:Stage')"
_ENDS = (
    *(
        "sys.exit(0)",
        "sys.exit(4)",
        "raise KeyboardInterrupt",
        "raise SystemExit",
        "raise GeneratorExit",
    ),
    *(
        "raise BaseException('x')",
        "raise ValueError('x' * 10**6)",
        "raise StopIteration",
        "raise Own",
    ),
    *("raise Mute", "raise ValueError('\\\\x1b[2J\\\\ud800')", "1 / 0", "raise MemoryError"),
)
_LOUD = "print('loud'); sys.__stdout__.write('loud'); os.system('echo loud')"


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    clip = str(clip_file(folder))
    groups = "vs.FrameSelection.of([0], window=window).groups"
    sources: dict[str, dict[str, str]] = {"good": {}}
    for where in ("at_import", "at_building", "at_work", "at_closing", "declaring", "at_event"):
        sources |= {f"{where} {end}": {where: end} for end in _ENDS}
        sources[f"{where} loud"] = {where: _LOUD + ("\n    yield" if where == "declaring" else "")}
    for event in ("stage_started", "stage_finished", "grounded"):
        sources[event] = {"event": event, "at_event": "sys.exit(9)"}
    declared = {
        "endless": "return itertools.repeat(vs.Component('sampler', 'odd', 'odd_plugin:Stage'))",
        "numbers": "yield vs.Component(5, None, 3.5)",
        "tuples": "yield ('sampler', 'odd')",
        "text": "yield 'sampler'",
        "none": "return 5",
        "requires": "yield vs.Component('sampler', 'odd', 'odd_plugin:Stage', requires=(5, ''))",
        "long": "yield vs.Component('sampler', 'o' * 10**5, 'odd_plugin:Stage')",
        "summary": "yield vs.Component('sampler', 'odd', 'odd_plugin:Stage', summary='\\x1b[2J')",
        "target": "yield vs.Component('sampler', 'odd', 'odd_plugin:nothing')",
        "itself": "vs.default_registry().names('sampler')\n    " + _DECLARED,
    }
    sources |= {f"declares {name}": {"declaring": text} for name, text in declared.items()}
    answers = {
        "nothing": "answer = None",
        "number": "answer = 5",
        "outside": "answer = vs.FrameSelection.of([10**9], window=window)",
        "long number": "answer = vs.FrameSelection.of([10**5000], window=window)",
        "cycle": f"d = {{}}; d['d'] = d; answer = vs.FrameSelection({groups}, window, details=d)",
        "laughs": "d = ['x']\n        for _ in range(9): d = [d] * 10\n        "
        f"answer = vs.FrameSelection({groups}, window, details={{'d': d}})",
        "object": f"answer = vs.FrameSelection({groups}, window, details={{'d': object()}})",
        "long reason": f"answer = vs.FrameSelection({groups}, window, reason='x' * 10**8)",
        "odd reason": f"answer = vs.FrameSelection({groups}, window, reason='\\ud800\\x1b[2J')",
        "numeric reason": f"answer = vs.FrameSelection({groups}, window, reason=5)",
        "confidence": f"answer = vs.FrameSelection({groups}, window, confidence=float('nan'))",
        "itself": "return self.sample(video, query, window=window)",
    }
    sources |= {f"answers {name}": {"at_work": text} for name, text in answers.items()}
    sources["annotations"] = {"arguments": ", *, a: 'no.such' = 1, b: 'import os' = 2"}
    for name, parts in sources.items():
        yield name, lambda place, parts=parts: _run(place, clip, parts)


def _run(place: Path, clip: str, parts: dict[str, str]) -> str:
    blank = {
        **dict.fromkeys(("at_building", "at_work", "at_closing", "at_event"), "pass"),
        **dict.fromkeys(("at_import", "arguments"), ""),
        "declaring": _DECLARED,
        "event": "frame_done",
    }
    site = place / "site"
    info = site / "odd_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    source = _MODULE.format(**{**blank, **parts})
    (site / "odd_plugin.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[videoseg]\nodd = odd_plugin\n")
    sys.path.insert(0, str(site))
    quick_stages()
    stages = ("--pipeline", "quick", "--sampler", "odd")
    verdicts = [
        _with_json("plugins", "--json"),
        _with_json("run", clip, "x", *stages, "--json", "-q", "-o", "out", "--only", "masks"),
    ]
    bad = [verdict for verdict in verdicts if verdict.startswith("bad")]
    return bad[0] if bad else verdicts[-1]


def _with_json(*arguments: str) -> str:
    """Run a command whose standard output, as a file, must be JSON or empty."""
    kept = os.dup(1)
    with open("stdout", "w+b") as file:  # noqa: PTH123 -- beside the others
        os.dup2(file.fileno(), 1)
        from videoseg.cli.main import main

        errors = os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        kept_errors = os.dup(2)
        os.dup2(errors, 2)
        status = main(list(arguments))
        os.dup2(kept, 1)
        os.dup2(kept_errors, 2)
        file.seek(0)
        printed = file.read()
    told = Path("stderr").read_text(encoding="utf-8", errors="replace")
    if "Traceback" in told or "error: unexpected" in told:
        return f"bad\n{status}: {told[-800:]}"
    if printed:
        try:
            json.loads(printed)
        except ValueError:
            return f"bad\nno JSON: {printed[:200]!r}"
    return "taken\n" if status == 0 else f"refused\n{told[-600:]}"
