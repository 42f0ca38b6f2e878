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
from torch import nn
from torch.nn import functional
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions, XMemNetwork
from videoseg_xmem.options import MemoryOptions

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_SCALES = {
    "key_proj.key_proj.weight": 2.5,
    "key_proj.d_proj.weight": 1.0,
    "key_proj.e_proj.weight": 1.0,
    "decoder.up_16_8.skip_conv.weight": 0.2,
    "decoder.up_8_4.skip_conv.weight": 0.2,
    "decoder.pred.weight": 0.25,
}


_GAIN, _BIAS = 6.0, -6.0


def informative_network(*, seed: int = 0, width: int = 64) -> XMemNetwork:
    """Return a random network in which one channel carries the masks.

    With plain random weights the masks vanish, fill the frame or become noise, and agreement
    on those says little. Here channel 0 takes the mask through the value encoder, the memory
    and the decoder, so that objects are followed by how similar the (random) keys are; all
    other channels stay random and add their part to the logits.
    """
    dimensions = Dimensions(key=width, value=8 * width, sensory=width, width=width)
    network = random_network(dimensions, seed=seed)
    with torch.no_grad():
        for name, factor in _SCALES.items():
            network.get_parameter(name).mul_(factor)
        _carry_masks(network)
    return network


def _carry_masks(network: XMemNetwork) -> None:
    encoder, decoder = network.value_encoder, network.decoder
    encoder.conv1.weight[0] = 0
    encoder.conv1.weight[0, 3] = 1 / 49
    for stage in (encoder.layer1, encoder.layer2, encoder.layer3):
        for block in stage:
            _only(block.conv2, None)
            if block.downsample is not None:
                _only(block.downsample[0], 0)
    image_channels = 16 * network.dimensions.width
    for fuser in (encoder.fuser, decoder.fuser):
        _only(fuser.block1.downsample, image_channels)
        _only(fuser.block1.conv2, None)
        _only(fuser.block2.conv2, None)
    for block in (decoder.up_16_8, decoder.up_8_4):
        _only(block.skip_conv, None)
        _only(block.out_conv.conv2, None)
    _only(decoder.up_16_8.out_conv.downsample, 0)
    decoder.pred.weight[0, 0] = 0
    decoder.pred.weight[0, 0, 1, 1] = _GAIN
    decoder.pred.bias.fill_(_BIAS)


def _only(convolution: nn.Conv2d, channel: int | None) -> None:
    """Let output channel 0 be one input channel, or 0."""
    weight = convolution.weight
    weight[0] = 0
    if channel is not None:
        weight[0, channel, weight.shape[2] // 2, weight.shape[3] // 2] = 1


def frames_of(folder: Path, count: int) -> list[np.ndarray]:
    """Return the first frames of a folder of images, RGB uint8, (H, W, 3) each."""
    from PIL import Image

    paths = sorted(folder.glob("*.jpg"))[:count]
    if len(paths) < count:
        raise SystemExit(f"{folder} has {len(paths)} frames, {count} are needed")
    return [np.array(Image.open(path).convert("RGB")) for path in paths]


def normalised(frame: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
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
            "top_k": options.top_k,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            self._network = network(self._config, str(checkpoint)).eval()
        self._core = core(self._network, self._config)
        self._labels: list[int] = []

    @property
    def memory(self) -> Any:
        """Its memory manager."""
        return self._core.memory

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
