"""Measure the propagator ``transformers-video`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/trackers_memory.py --network edgetam --frames 200 2000 --curve

The checkpoint is a tiny one with random weights, saved in a temporary folder, unless ``--model``
names another. EdgeTAM has SAM 2's image encoder there, which needs no timm and holds nothing from
frame to frame. Each length runs in a process of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/support"))

from sam2_memory import measure, parser, prompts_for, show_table  # noqa: E402
from tiny_trackers import save_tiny  # noqa: E402

NETWORKS = ("sam2", "edgetam", "sam3")


def main() -> int:
    options = parser(__doc__.splitlines()[0], "tiny")
    options.add_argument("--network", choices=NETWORKS, default="sam2")
    arguments = options.parse_args()
    extra = ["--network", arguments.network]
    if not arguments.one:
        title = f", network {arguments.network}"
        if arguments.model != "tiny":
            return show_table(__file__, arguments, extra, title)
        with tempfile.TemporaryDirectory() as temporary:
            arguments.model = str(save_tiny(arguments.network, Path(temporary) / "tiny"))
            return show_table(__file__, arguments, extra, title)
    from videoseg_trackers import TransformersVideoPropagator, network

    if arguments.network == "edgetam":
        # The plug-in refuses this encoder, see above.
        classes = ("EdgeTamVideoModel", "Sam2VideoProcessor")
        network._classes_for = lambda _config, _name: classes  # type: ignore[assignment]
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
