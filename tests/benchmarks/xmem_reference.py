"""Runs the released implementation of XMem from a checkout of it, for the other scripts.

A checkout of hkchengrex/XMem is named with ``--reference DIR``. It is imported as it is; only
the download of ImageNet weights, which a checkpoint replaces anyway, is left out.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions, XMemNetwork
from videoseg_xmem.options import MemoryOptions

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# A ``top_k`` that leaves no place out.
ALL = 10**9

_SCALES = {
    "key_proj.key_proj.weight": 2.5,
    "key_proj.d_proj.weight": 1.0,
    "key_proj.e_proj.weight": 1.0,
    "decoder.up_16_8.skip_conv.weight": 0.2,
    "decoder.up_8_4.skip_conv.weight": 0.2,
    "decoder.pred.weight": 0.8,
}


def informative_network(*, seed: int = 0, width: int = 64) -> XMemNetwork:
    """Return a random network whose probabilities stay informative.

    With plain random weights masks soon vanish or fill the frame, and rounding errors grow
    from frame to frame as in any chaotic system; agreement on that says little. With these
    scales, similarities are spread as those of a trained network are, most probabilities lie
    well inside (0, 1), and masks count for what is remembered.
    """
    dimensions = Dimensions(key=width, value=8 * width, sensory=width, width=width)
    network = random_network(dimensions, seed=seed)
    with torch.no_grad():
        for name, factor in _SCALES.items():
            network.get_parameter(name).mul_(factor)
        # The planes of the masks among the value encoder's inputs.
        network.value_encoder.conv1.weight[:, 3:].mul_(3)
    return network


def frames_of(folder: Path, count: int) -> list[np.ndarray]:
    """Return the first frames of a folder of images, RGB uint8, (H, W, 3) each."""
    from PIL import Image

    paths = sorted(folder.glob("*.jpg"))[:count]
    if len(paths) < count:
        raise SystemExit(f"{folder} has {len(paths)} frames, {count} are needed")
    return [np.array(Image.open(path).convert("RGB")) for path in paths]


def normalized(frame: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Return a frame as both implementations are given it, (3, H, W) float32."""
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
    if tuple(image.shape[-2:]) != size:
        image = functional.interpolate(
            image, size, mode="bilinear", align_corners=False, antialias=True
        )
    shape = (1, 3, 1, 1)
    return ((image - torch.tensor(_MEAN).view(shape)) / torch.tensor(_DEVIATION).view(shape))[0]


class Reference:
    """The released implementation on one video.

    Args:
        directory: The checkout.
        checkpoint: A checkpoint both implementations load.
        options: Sizes of the memories.
    """

    def __init__(self, directory: Path, checkpoint: Path, options: MemoryOptions) -> None:
        core, network = _modules(directory)
        self._config = {
            "mem_every": options.mem_every,
            "deep_update_every": -1,
            "enable_long_term": True,
            "enable_long_term_count_usage": True,
            "max_mid_term_frames": options.max_working_frames,
            "min_mid_term_frames": options.min_working_frames,
            "num_prototypes": options.prototypes,
            "max_long_term_elements": options.long_term_elements,
            "top_k": None if options.top_k >= ALL else options.top_k,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            self._network = network(self._config, str(checkpoint)).eval()
        self._core = core(self._network, self._config)
        self._labels: list[int] = []

    @property
    def memory(self) -> Any:
        """Its memory manager."""
        return self._core.memory

    @property
    def parts(self) -> Mapping[str, list[tuple[Any, str]]]:
        """The methods that do each part; see ``propagator_speed``."""
        network, memory = self._network, self._core.memory
        return {
            "image": [(network, "encode_key")],
            "reading the memory": [(memory, "match_memory")],
            "decoder": [(network, "segment")],
            "masks to remember": [(network, "encode_value")],
            "writing the memory": [(memory, "add_memory")],
        }

    @torch.inference_mode()
    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Do what ``videoseg_xmem.tracker.Tracker.step`` does, without padding."""
        mask, valid = None, None
        if given:
            count = max([len(self._labels), *(number + 1 for number in given)])
            self._labels = list(range(1, count + 1))
            self._core.set_all_labels(self._labels)
            mask = torch.zeros(count, *image.shape[-2:])
            for number, plane in given.items():
                mask[number] = plane
            valid = [number + 1 for number in given]
        return self._core.step(image, mask, valid, end=last)


def _modules(directory: Path) -> tuple[Any, Any]:
    if not (directory / "inference" / "inference_core.py").is_file():
        raise SystemExit(f"{directory} is no checkout of hkchengrex/XMem")
    sys.path.insert(0, str(directory))
    try:
        import model.resnet as resnet

        resnet.load_weights_add_extra_dim = lambda *_, **__: None
        resnet.model_zoo.load_url = lambda *_, **__: {}
        from inference.inference_core import InferenceCore
        from model.network import XMem
    finally:
        sys.path.remove(str(directory))
    return InferenceCore, XMem


def boxes(size: tuple[int, int], shares: Iterable[tuple[float, float, float, float]]) -> list:
    """Return a mask for each box given as shares of height and width (y1, x1, y2, x2)."""
    masks = []
    for top, left, bottom, right in shares:
        mask = torch.zeros(size)
        mask[
            int(top * size[0]) : int(bottom * size[0]), int(left * size[1]) : int(right * size[1])
        ] = 1
        masks.append(mask)
    return masks
