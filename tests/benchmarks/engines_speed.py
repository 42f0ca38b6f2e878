"""Time SAM 2 or a tracker of transformers in several engines, frame by frame in turn.

Run from the repository root:

    python tests/benchmarks/engines_speed.py sam2 --frames 6
    python tests/benchmarks/engines_speed.py edgetam --ways eager openvino int8

``sam2`` is the propagator ``sam2`` with SAM 2.1 tiny, ``sam2-transformers`` and ``edgetam`` are
``transformers-video`` with SAM 2.1 tiny and EdgeTAM (which needs timm), all of published sizes and
with random weights, on a drawn clip of 854x480. All ways have the same weights and prompts and are
advanced alternately, so that whatever else the machine does meets them all. Seconds of the
processor are those of all threads of this process. The encoder is measured apart on one image.

Masks of random weights mean nothing, so how far 8 bits change J&F cannot be seen here; what is
compared are the features.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/support"))

from torchvision_builds import declare_missing_operators  # noqa: E402
from videoseg_synthetic import make_clip  # noqa: E402

from videoseg.types import Box, Prompt  # noqa: E402
from videoseg.video import Video  # noqa: E402

WAYS = {
    "eager": {"engine": "eager", "precision": "float32"},
    "bfloat16": {"engine": "eager", "precision": "bfloat16"},
    "compile": {"engine": "compile", "precision": "float32"},
    "openvino": {"engine": "openvino", "precision": "float32"},
    "int8": {"engine": "openvino", "precision": "int8"},
}

Encode = Callable[[np.ndarray], list[torch.Tensor]]


def open_sam2(way: str) -> tuple[Any, Encode]:
    """Return the propagator ``sam2`` and what encodes a frame."""
    from videoseg_sam2 import Sam2Propagator
    from videoseg_sam2.features import encode_frame
    from videoseg_sam2.images import video_input

    propagator = Sam2Propagator(
        model="sam2.1-hiera-tiny", random_weights=True, device="cpu", **WAYS[way]
    )
    network = propagator._network

    def encode(frame: np.ndarray) -> list[torch.Tensor]:
        with network.computing():
            return encode_frame(network, video_input(frame, network.modules.image_size)).maps

    return propagator, encode


def open_tracker(folder: Path, way: str) -> tuple[Any, Encode]:
    """Return the propagator ``transformers-video`` and what encodes a frame."""
    from videoseg_trackers import TransformersVideoPropagator

    propagator = TransformersVideoPropagator(model=str(folder), device="cpu", **WAYS[way])
    network = propagator._network

    def encode(frame: np.ndarray) -> list[torch.Tensor]:
        with network.computing():
            return list(network.encode(frame)["vision_feats"])

    return propagator, encode


def save_published_size(network: str, folder: Path) -> None:
    """Save a checkpoint of a published size with random weights."""
    declare_missing_operators()
    import transformers
    from tiny_trackers import save_tracker

    if network == "sam2-transformers":
        # Without arguments these are the sizes of SAM 2.1 tiny.
        save_tracker(transformers.Sam2VideoConfig(), "Sam2VideoModel", folder)
        return
    backbone = transformers.TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    vision = transformers.EdgeTamVisionConfig(backbone_config=backbone)
    config = transformers.EdgeTamVideoConfig(vision_config=vision)
    save_tracker(config, "EdgeTamVideoModel", folder)


def measured(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return seconds, seconds of the processor, and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - processor, result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=("sam2", "sam2-transformers", "edgetam"))
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--frames", type=int, default=6, help="1 for the encoder alone")
    parser.add_argument("--repeats", type=int, default=3, help="of the encoder alone")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clip = make_clip(seed=3, num_frames=arguments.frames, size=(480, 854))
    video = Video.from_frames(np.asarray(clip.frames), fps=clip.fps)
    box = Box(200.0, 140.0, 460.0, 340.0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.network != "sam2":
            save_published_size(arguments.network, folder)
        opened = {
            way: open_sam2(way) if arguments.network == "sam2" else open_tracker(folder, way)
            for way in arguments.ways
        }
        show(arguments, video, opened, Prompt(1, 0, box=box))
    return 0


def show(
    arguments: argparse.Namespace,
    video: Video,
    opened: dict[str, tuple[Any, Encode]],
    prompt: Prompt,
) -> None:
    """Measure and print the table."""
    frame = np.asarray(video[0])
    first: dict[str, float] = {}
    features: dict[str, list[torch.Tensor]] = {}
    encoder: dict[str, list[tuple[float, float]]] = {way: [] for way in opened}
    for way, (_, encode) in opened.items():
        # The first image of a size also loads and converts.
        first[way], _, features[way] = measured(lambda encode=encode: encode(frame))
    for _ in range(arguments.repeats):
        for way, (_, encode) in opened.items():
            encoder[way].append(measured(lambda encode=encode: encode(frame))[:2])
    frames: dict[str, list[tuple[float, float]]] = {way: [] for way in opened}
    runs: dict[str, Iterator[Any]] = {}
    for way, (propagator, _) in opened.items():
        session = propagator.open(video)
        session.prompt(prompt)
        runs[way] = session.run()
    # A video of one frame has nothing to track.
    for _ in range(len(video) if len(video) > 1 else 0):
        for way, run in runs.items():
            frames[way].append(measured(lambda run=run: next(run))[:2])
    usual = features[arguments.ways[0]]
    print(f"{arguments.network}, {arguments.threads} threads, {arguments.frames} frames")
    has_frames = len(video) > 1
    columns = ["way", "encoder, s", "processor s", "ratio"]
    columns += ["whole frame, s", "processor s", "ratio"] if has_frames else []
    columns += ["features differ by", "first image, s"]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    base: tuple[float, float] | None = None
    for way in opened:
        alone = medians(encoder[way])
        # The first frame is the prompted one, which is not tracked.
        whole = medians(frames[way][1:]) if has_frames else (1.0, 1.0)
        base = base or (alone[1], whole[1])
        differs = max(
            float((one - other).abs().mean() / other.abs().mean())
            for one, other in zip(features[way], usual, strict=True)
        )
        cells = [way, f"{alone[0]:.2f}", f"{alone[1]:.2f}", f"{base[0] / alone[1]:.2f}"]
        if has_frames:
            cells += [f"{whole[0]:.2f}", f"{whole[1]:.2f}", f"{base[1] / whole[1]:.2f}"]
        cells += [f"{differs:.1e}", f"{first[way]:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def medians(measurements: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median seconds and the median seconds of the processor."""
    wall, processor = zip(*measurements, strict=True)
    return statistics.median(wall), statistics.median(processor)


if __name__ == "__main__":
    raise SystemExit(main())
