"""Measure the propagator ``o3`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/o3_memory.py --frames 200 2000

As ``sam2_memory.py``, with an embedding for each object on the middle frame, so that the video is
propagated both ways and the language prompt is on every frame. Weights are random.
"""

from __future__ import annotations

import json

import numpy as np
from sam2_memory import measure, parser, show_table
from videoseg_o3 import O3Propagator

from videoseg.types import Embedding, Prompt


def prompts_for(objects: int, frame: int, width: int) -> list[Prompt]:
    """Return embeddings; what they mean to a random network does not matter."""
    rng = np.random.default_rng(0)
    return [
        Prompt(index + 1, frame, embedding=Embedding("videoseg-o3", tuple(rng.normal(size=width))))
        for index in range(objects)
    ]


def main() -> int:
    options = parser(__doc__.splitlines()[0], "toy-2.0")
    options.add_argument("--width", type=int, default=32, help="of the model's prompts")
    arguments = options.parse_args()
    if not arguments.one:
        return show_table(__file__, arguments)
    propagator = O3Propagator(
        random_weights=arguments.model,
        device="cpu",
        precision="float32",
        max_objects_per_pass=arguments.max_objects,
    )
    num_frames = arguments.frames[0]
    prompts = prompts_for(arguments.objects, num_frames // 2, arguments.width)
    size = (arguments.size[0], arguments.size[1])
    print(json.dumps(measure(num_frames, size, propagator, prompts)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
