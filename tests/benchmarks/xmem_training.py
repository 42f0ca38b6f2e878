"""Train a narrow network of XMem on a few clips, so that scripts have one that segments.

Run from the repository root:

    python tests/benchmarks/xmem_training.py trained.pth --data ../shared/data --minutes 30

Published weights need days of training. This network has a quarter of their layers' width and
sees the annotated clips of one folder only, again and again; it is no use on other videos. But
its masks are as sure of themselves as those of the published weights, which a random network's
are not, and that is what ``xmem_precision.py`` needs. The checkpoint has the published names.

Each step takes a few frames of a clip in either order, cut out around an object, and
propagates the first frame's masks as XMem does (Cheng and Schwing, ECCV 2022, section 4.1):
every frame is remembered, the sensory memory now and then from what is remembered.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from flow_davis import read_annotations
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from videoseg_xmem.checkpoint import load_network, random_network
from videoseg_xmem.competition import aggregate
from videoseg_xmem.memory.keys import memory_rows, query_rows
from videoseg_xmem.network import Dimensions, EncodedFrame, XMemNetwork
from xmem_reference import normalized

_CROP = 192
_FRAMES = 4
_LARGEST_STEP = 4
_MOST_OBJECTS = 3
_DEEP_UPDATES = 0.4
_FRAMES_TO_CALIBRATE = 48


@dataclass(frozen=True)
class Clip:
    """An annotated clip.

    Args:
        frames: Images, RGB uint8.
        labels: For each frame the number of the object at each pixel, 0 for none.
    """

    frames: Sequence[Image.Image]
    labels: Sequence[Image.Image]

    @staticmethod
    def of(folder: Path, name: str) -> Clip:
        """Read a clip of a folder that is laid out like DAVIS."""
        pictures = sorted((folder / "JPEGImages" / "480p" / name).glob("*.jpg"))
        labels = read_annotations(folder / "Annotations" / "480p" / name)
        return Clip(
            [Image.open(path).convert("RGB") for path in pictures],
            [Image.fromarray(frame) for frame in labels],
        )


class Samples:
    """Draws short sequences from clips.

    Args:
        clips: The clips.
        seed: Of everything that is drawn.
    """

    def __init__(self, clips: Sequence[Clip], seed: int) -> None:
        self._clips = clips
        self._random = np.random.default_rng(seed)

    def draw(self) -> tuple[list[Tensor], Tensor]:
        """Return images, (1, 3, H, W) each, and masks, (T, N, H, W)."""
        draw = self._random
        clip = self._clips[draw.integers(len(self._clips))]
        count = len(clip.frames)
        step = int(draw.integers(1, _LARGEST_STEP + 1))
        start = int(draw.integers(count - step * (_FRAMES - 1)))
        indices = [start + step * number for number in range(_FRAMES)]
        if draw.random() < 0.5:
            indices.reverse()
        scale = float(draw.uniform(0.5, 1.0)) * 480 / clip.frames[0].height
        width, height = (round(side * scale) for side in clip.frames[0].size)
        frames = [clip.frames[index].resize((width, height)) for index in indices]
        nearest = Image.Resampling.NEAREST
        labels = [
            np.array(clip.labels[index].resize((width, height), nearest)) for index in indices
        ]
        top, left = self._corner(labels[0])
        window = np.s_[top : top + _CROP, left : left + _CROP]
        cut = [label[window] for label in labels]
        numbers = [number for number in np.unique(cut[0]) if number][:_MOST_OBJECTS]
        masks = np.stack([[label == number for number in numbers] for label in cut])
        turn = slice(None, None, -1 if draw.random() < 0.5 else 1)
        masks = np.ascontiguousarray(masks[..., turn])
        pictures = [np.ascontiguousarray(np.array(frame)[window][:, turn]) for frame in frames]
        images = [normalized(picture, (_CROP, _CROP))[None] for picture in pictures]
        return images, torch.from_numpy(masks).float()

    def _corner(self, labels: np.ndarray) -> tuple[int, int]:
        """Return the upper left corner of a window about a pixel of an object."""
        draw = self._random
        rows, columns = np.nonzero(labels)
        center = draw.integers(len(rows)) if len(rows) else 0
        corner = []
        for place, side in ((rows, labels.shape[0]), (columns, labels.shape[1])):
            wanted = int(place[center]) if len(place) else side // 2
            wanted -= _CROP // 2 + int(draw.integers(-_CROP // 4, _CROP // 4))
            corner.append(min(max(wanted, 0), side - _CROP))
        return corner[0], corner[1]


class Memory:
    """All frames so far, read in full: few enough for gradients to flow through."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._values: list[Tensor] = []

    def add(self, frame: EncodedFrame, values: Tensor) -> None:
        """Remember a frame and its values, (N, C^v, h, w)."""
        key, shrinkage = _places(frame.key), _places(frame.shrinkage)[:, 0]
        self._rows.append(memory_rows(key, shrinkage))
        self._values.append(values.flatten(start_dim=2))

    def read(self, frame: EncodedFrame) -> Tensor:
        """Return what a frame remembers, (N, C^v, h, w)."""
        query = query_rows(_places(frame.key), _places(frame.selection))
        weights = torch.softmax(query @ torch.cat(self._rows).T, dim=1)
        values = torch.cat(self._values, dim=2)
        return (values @ weights.T).unflatten(2, frame.key.shape[-2:])


def _places(features: Tensor) -> Tensor:
    return features[0].flatten(start_dim=1).T


def loss_of(network: XMemNetwork, images: Sequence[Tensor], masks: Tensor, deep: bool) -> Tensor:
    """Propagate the first frame's masks; return how wrong those of the other frames are."""
    memory = Memory()
    count = masks.shape[1]
    dimensions = network.dimensions
    losses = []
    sensory: Tensor | None = None
    predicted = masks[0]
    for number, image in enumerate(images):
        frame = network.encode_key(image)
        if sensory is None:
            sensory = frame.key.new_zeros(count, dimensions.sensory, *frame.key.shape[-2:])
        reinforce = deep or number == 0
        if number > 0:
            logits, sensory = network.segment(
                frame.features, memory.read(frame), sensory, update=not reinforce
            )
            predicted = aggregate(torch.sigmoid(logits))[1:]
            losses.append(_difference(logits, masks[number]))
        values, reinforced = network.encode_value(
            image, frame.features[0], predicted, sensory if reinforce else None
        )
        sensory = reinforced if reinforce else sensory
        memory.add(frame, values)
    return torch.stack(losses).mean()


def _difference(logits: Tensor, masks: Tensor) -> Tensor:
    """Return cross entropy and the Dice loss of the objects, each by itself."""
    entropy = functional.binary_cross_entropy_with_logits(logits, masks)
    chances = torch.sigmoid(logits)
    inside = (chances * masks).sum(dim=(1, 2))
    dice = 1 - (2 * inside + 1) / (chances.sum(dim=(1, 2)) + masks.sum(dim=(1, 2)) + 1)
    return entropy + dice.mean()


def untrained(dimensions: Dimensions, *, seed: int) -> XMemNetwork:
    """Return a random network from which learning is stable."""
    network = random_network(dimensions, seed=seed)
    torch.manual_seed(seed)
    encoder = network.value_encoder
    # Only the residual networks have batch norms; the rest starts small, as torch has it.
    for part in (network.key_proj, network.decoder, encoder.fuser, encoder.hidden_reinforce):
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()
    return network.requires_grad_(True)


def calibrate(network: XMemNetwork, samples: Samples) -> None:
    """Set the statistics of batch normalization, which then stay as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for _ in range(_FRAMES_TO_CALIBRATE // _FRAMES):
            loss_of(network, *samples.draw(), deep=False)
    network.eval()


def train(network: XMemNetwork, samples: Samples, *, minutes: float, rate: float) -> None:
    """Train for some minutes, with a learning rate that ends at zero."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    draw = np.random.default_rng(0)
    recent: list[float] = []
    begin, steps = time.monotonic(), 0
    while (share := (time.monotonic() - begin) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (steps + 1) / 100) * (1 + np.cos(np.pi * share)) / 2
        images, masks = samples.draw()
        if masks.shape[1] == 0:
            continue
        loss = loss_of(network, images, masks, deep=draw.random() < _DEEP_UPDATES)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0, error_if_nonfinite=True)
        optimizer.step()
        steps += 1
        recent.append(loss.item())
        if steps % 50 == 0:
            passed = (time.monotonic() - begin) / 60
            print(
                f"{passed:5.1f} min, {steps} steps: loss {np.mean(recent[-50:]):.3f}", flush=True
            )


def main() -> None:
    """Train and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("checkpoint", type=Path, help="where to write it")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--clips", nargs="+", help="names; repeat what it is to see more of")
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--width", type=int, default=16, help="channels of the stem; 64 published")
    parser.add_argument("--rate", type=float, default=3e-4, help="largest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.data / "davis"
    names = options.clips or sorted(p.name for p in (folder / "Annotations" / "480p").iterdir())
    samples = Samples([Clip.of(folder, name) for name in names], options.seed)
    if options.start is not None:
        network = load_network(options.start).requires_grad_(True)
    else:
        network = untrained(Dimensions(width=options.width), seed=options.seed)
        calibrate(network, samples)
    train(network, samples, minutes=options.minutes, rate=options.rate)
    torch.save(network.state_dict(), options.checkpoint)


if __name__ == "__main__":
    main()
