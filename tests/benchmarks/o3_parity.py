"""Compare the ``[SEG]`` strategy with the released modelling code: same words, same masks.

Run from the repository root, with a checkout of Dmmm1997/VideoSEG-O3:

    python tests/benchmarks/o3_parity.py --reference DIR --python VENV/bin/python

Both get one checkpoint with tiny random weights in the released layout, and a drawn clip. The
output head alone is fitted, so that the model says whole conversations (see ``teach`` in
``o3_reference.py``): one, two and three turns, and such as go wrong. The reference runs first,
in the interpreter named with ``--python``; it is pinned to transformers 4.57.0.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

QUERY = "the largest thing that moves to the left"
NUM_FRAMES, SIZE, SEED = 30, (540, 960), 3
"""Frames are larger than every limit of pixels, so that each of them is applied."""

THOUGHT = (
    "<think>Step 1: It moves from frame 4 on. Step 2: It is on the left. Step 3: It is the "
    "largest. Action: {action}</think>"
)


@dataclass(frozen=True)
class Case:
    """A conversation: its name, the pieces of each turn's text, and how many turns are allowed."""

    name: str
    says: tuple[tuple[str, ...], ...]
    max_turns: tuple[int, ...] = (3,)
    query: str = QUERY


def select(window: str, seg: bool = True) -> tuple[str, ...]:
    """Return a turn that asks for frames."""
    opening = f"{THOUGHT.format(action='See new segment.')}<select><VTG>{window}</VTG> <RefSeg>"
    return (opening, *(["[SEG]"] if seg else []), "</RefSeg></select>")


def answer(window: str, *marks: str) -> tuple[str, ...]:
    """Return a turn that answers."""
    span = f"<VTG>{window}</VTG> " if window else ""
    opening = f"{THOUGHT.format(action='Confirmed.')}<answer>{span}<RefSeg>"
    return (opening, *marks, "</RefSeg></answer>")


def window(start: int, end: int, keyframe: int) -> str:
    """Return a window as the released models write it."""
    return json.dumps({"start": start, "end": end, "keyframe": keyframe})


FIRST, SECOND = select(window(4, 20, 11)), select(window(8, 11, 9))
LAST = answer(window(7, 12, 10), "[SEG]")

CASES = (
    Case("turns", (FIRST, SECOND, LAST), max_turns=(1, 2, 3)),
    Case("at-once", (LAST,)),
    Case("at-once-no-window", (answer("", "[SEG]"),)),
    Case("looks-for-ever", (FIRST, SECOND, select(window(0, 29, 15)))),
    Case("no-key", (FIRST, select('{"start": 8, "end": 11}'))),
    Case("no-json", (FIRST, select("from 8 to 11"))),
    Case("no-json-first", (select("from 8 to 11"),)),
    Case("python-literal", (FIRST, select("{'start': 8, 'end': 11, 'keyframe': 9}"))),
    Case("end-before-start", (FIRST, select(window(12, 8, 13)))),
    Case("outside-video", (select(window(-5, 99, 77)), LAST)),
    Case("keyframe-outside-window", (select(window(4, 8, 20)), LAST)),
    Case("one-frame", (select(window(6, 6, 6)), LAST)),
    Case("never-seg", (select(window(4, 20, 11), seg=False), answer(window(7, 12, 10)))),
    Case("seg-before-only", (FIRST, answer(window(7, 12, 10)))),
    Case("two-segs", (FIRST, answer(window(7, 12, 10), "[SEG]", ", ", "[SEG]"))),
)


def save_checkpoint(folder: Path, cases: Sequence[Case], sam2: str) -> Path:
    """Save a random checkpoint as transformers 4.57 would have, which is what was released."""
    from tiny_seg_model import save_tiny_seg_model

    known = {"[SEG]"}
    pieces = [piece for case in cases for turn in case.says for piece in turn]
    sentences = [piece for piece in dict.fromkeys(pieces) if piece not in known]
    checkpoint = save_tiny_seg_model(folder, sentences=sentences, sam2=sam2, num_shards=1)
    # The limits of the published Qwen3-VL: small frames are enlarged.
    facts = {
        "size": {"shortest_edge": 65536, "longest_edge": 16777216},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    for name, kind, options in (
        ("preprocessor_config.json", "image_processor_type", "Qwen2VLImageProcessorFast"),
        ("video_preprocessor_config.json", "video_processor_type", "Qwen3VLVideoProcessor"),
    ):
        (checkpoint / name).write_text(json.dumps({**facts, kind: options}, indent=2))
    (checkpoint / "processor_config.json").unlink()
    tokens = json.loads((checkpoint / "tokenizer_config.json").read_text())
    tokens.pop("backend")
    tokens["tokenizer_class"] = "Qwen2Tokenizer"
    tokens["additional_special_tokens"] = tokens.pop("extra_special_tokens")
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(tokens, indent=2))
    return checkpoint


def run_reference(work: Path, reference: Path, python: str) -> dict[str, str]:
    """Run the released code on every case and return the versions that it ran with."""
    script = HERE / "o3_reference.py"
    command = [python, str(script), "--reference", str(reference), "--work", str(work)]
    subprocess.run(command, check=True)
    return json.loads((work / "reference.json").read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="a checkout")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the reference")
    parser.add_argument("--sam2", default="toy-2.0", help="network of SAM 2")
    parser.add_argument("--cases", nargs="*", help="names; by default all")
    parser.add_argument("--work", type=Path, help="a new folder for the files; kept")
    arguments = parser.parse_args()
    cases = [case for case in CASES if not arguments.cases or case.name in arguments.cases]
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(exist_ok=True)
        return run(work, cases, arguments)


def run(work: Path, cases: Sequence[Case], arguments: Any) -> int:
    from videoseg_sam2 import config_path
    from videoseg_synthetic import make_clip

    video = make_clip(seed=SEED, num_frames=NUM_FRAMES, size=SIZE).video
    np.save(work / "frames.npy", np.stack(list(video.read(range(NUM_FRAMES)))))
    checkpoint = save_checkpoint(work / "random", cases, arguments.sam2)
    task = {
        "checkpoint": str(checkpoint),
        "sam2_config": str(config_path(arguments.sam2)),
        "cases": [asdict(case) for case in cases],
    }
    (work / "task.json").write_text(json.dumps(task))
    versions = run_reference(work, arguments.reference, arguments.python)
    print(versions)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
