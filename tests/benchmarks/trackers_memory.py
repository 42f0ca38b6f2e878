"""Measure the propagator ``transformers-video`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/trackers_memory.py --frames 200 2000

The checkpoint is a tiny one with random weights, saved in a temporary folder, unless ``--model``
names another. Each length runs in a process of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/support"))

from sam2_memory import measure, parser, prompts_for, show_table  # noqa: E402


def main() -> int:
    arguments = parser(__doc__.splitlines()[0], "tiny").parse_args()
    from tiny_trackers import sam2_config, save_tracker
    from videoseg_trackers import TransformersVideoPropagator

    if not arguments.one:
        if arguments.model != "tiny":
            return show_table(__file__, arguments)
        with tempfile.TemporaryDirectory() as temporary:
            arguments.model = str(save_tracker(sam2_config(), "Sam2VideoModel", Path(temporary)))
            return show_table(__file__, arguments)
    height, width = arguments.size
    propagator = TransformersVideoPropagator(
        model=arguments.model,
        device="cpu",
        precision="float32",
        max_objects_per_pass=arguments.max_objects,
    )
    prompts = prompts_for(arguments.objects, height, width)
    print(json.dumps(measure(arguments.frames[0], (height, width), propagator, prompts)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
