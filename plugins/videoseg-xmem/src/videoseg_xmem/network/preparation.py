"""Faster inference: a loaded network is rewritten into an equal one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from videoseg_xmem.network.blocks import JoinedBlock, KeyProjection, rectified
from videoseg_xmem.network.encoders import KeyEncoder
from videoseg_xmem.network.network import XMemNetwork
from videoseg_xmem.network.openvino_steps import NetworkStep, put_in_openvino
from videoseg_xmem.network.rewriting import (
    FirstLayers,
    JoinedProjection,
    convolution_of,
    fold_batch_norms,
    save_multiplications,
)

__all__ = ["compile_network", "prepare"]

_IMAGE_STEP = NetworkStep(
    "image_features",
    ("key_encoder", "key_proj", "decoder"),
    # Similarities are differences of keys.
    exact=("key_proj",),
)
_OBJECT_STEPS = (
    NetworkStep(
        "object_values",
        ("value_encoder",),
        batches=range(2, 4),
        exact=("value_encoder.fuser.attention",),
    ),
    NetworkStep(
        "decoded",
        ("decoder",),
        batches=range(3, 5),
        exact=("decoder.pred", "decoder.fuser.attention"),
    ),
)


def prepare(
    network: XMemNetwork,
    *,
    device: torch.device,
    dtype: torch.dtype,
    openvino: bool = False,
    eight_bit: bool = False,
) -> XMemNetwork:
    """Prepare a network for inference, in place.

    Batch norms are folded into the convolutions before them, convolutions of one input are
    joined, what depends on the image alone is computed once for all objects, and weights are
    laid out channels-last. Its parameters no longer have the published names.

    Args:
        network: The network, in float32.
        device: Where it is to run.
        dtype: The type it is to compute in. The layers nearest to the pixels, the
            similarities of places in memory and the probabilities are always in float32.
        openvino: Whether OpenVINO runs what depends on the image alone; on a CPU and in float32.
        eight_bit: Whether it runs the whole network, and multiplies 8-bit numbers.
    """
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    encoder = network.key_encoder
    assert isinstance(encoder, KeyEncoder)
    for block in (network.decoder.fuser, network.value_encoder.fuser):
        if isinstance(block.block1, JoinedBlock) and block.block1.downsample is not None:
            block.block1 = _SharedBlock(block.block1)
    assert isinstance(network.key_proj, KeyProjection)
    network.key_proj = JoinedProjection(network.key_proj)
    if openvino:
        # In float32 torch does the other steps with fewer multiplications.
        for step in (_IMAGE_STEP, *(_OBJECT_STEPS if eight_bit else ())):
            put_in_openvino(network, step, eight_bit=eight_bit)
    if device.type == "cpu" and not eight_bit:
        save_multiplications(network if dtype == torch.float32 else encoder.res2)
    first = FirstLayers(encoder, network.value_encoder)
    network.to(device=device, dtype=dtype)
    first.restore(device, dtype)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class _SharedBlock(nn.Module):
    """``JoinedBlock`` with the image's half computed once for all objects.

    A convolution of joined channels is a sum of two. The image's features come out of a
    rectifier, so rectifying them again, as the block does, changes nothing, and both
    convolutions of them are one.
    """

    def __init__(self, block: JoinedBlock) -> None:
        super().__init__()
        first, shortcut, split = block.conv1, block.downsample, block.image_channels
        assert isinstance(first, nn.Conv2d) and isinstance(shortcut, nn.Conv2d)
        assert first.bias is not None and shortcut.bias is not None
        self.image = convolution_of(
            torch.cat([first.weight[:, :split], shortcut.weight[:, :split]]),
            torch.cat([first.bias, shortcut.bias]),
        )
        self.conv1 = convolution_of(first.weight[:, split:], None)
        self.downsample = convolution_of(shortcut.weight[:, split:], None)
        self.conv2 = block.conv2

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Do what ``JoinedBlock.forward`` does."""
        first, shortcut = self.image(image).chunk(2, dim=1)
        y = rectified(self.conv2, rectified(self.conv1, objects).add_(first))
        return y.add_(self.downsample(objects)).add_(shortcut)


def compile_network(network: XMemNetwork) -> XMemNetwork:
    """Compile the parts of a prepared network that every frame needs, in place."""
    for part in (network.key_encoder, network.decoder, network.value_encoder):
        part.compile(dynamic=False)
    return network
