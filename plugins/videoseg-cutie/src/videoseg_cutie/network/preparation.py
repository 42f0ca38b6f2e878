"""Faster inference: a loaded network is rewritten into an equal one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from videoseg_xmem.network.openvino_encoder import OpenVinoEncoder
from videoseg_xmem.network.rewriting import (
    FirstLayers,
    JoinedProjection,
    fold_batch_norms,
    save_multiplications,
)

from videoseg_cutie.network.encoders import KeyBranch, PixelEncoder
from videoseg_cutie.network.network import CutieNetwork

__all__ = ["compile_network", "prepare"]


def prepare(
    network: CutieNetwork,
    *,
    device: torch.device,
    dtype: torch.dtype,
    openvino: bool = False,
    eight_bit: bool = False,
) -> CutieNetwork:
    """Prepare a network for inference, in place.

    Batch norms are folded into the convolutions before them, convolutions of one input are
    joined, and weights are laid out channels-last. Its parameters no longer have the published
    names.

    Args:
        network: The network, in float32.
        device: Where it is to run.
        dtype: The type it is to compute in. The layers nearest to the pixels, the sensory and
            the object memory, the similarities of places in memory, the logits and the
            probabilities are always in float32.
        openvino: Whether the encoder of images runs in OpenVINO; on a CPU and in float32.
        eight_bit: Whether that encoder multiplies 8-bit numbers.
    """
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    encoder = network.pixel_encoder
    assert isinstance(encoder, PixelEncoder)
    in_openvino = OpenVinoEncoder(encoder, eight_bit=eight_bit) if openvino else None
    assert isinstance(network.key_proj, KeyBranch)
    network.key_proj = _JoinedBranch(network.key_proj)
    if device.type == "cpu":
        save_multiplications(network if dtype == torch.float32 else encoder.res2)
    first = FirstLayers(encoder, network.mask_encoder)
    network.to(device=device, dtype=dtype)
    first.restore(device, dtype)
    if in_openvino is not None:
        network.pixel_encoder = in_openvino
    if dtype != torch.float32:
        for exact in _float32_parts(network):
            exact.float()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def compile_network(network: CutieNetwork) -> CutieNetwork:
    """Compile the parts of a prepared network that every frame needs, in place."""
    for part in (network.pixel_encoder, network.mask_decoder, network.mask_encoder):
        part.compile(dynamic=False)
    return network


def _float32_parts(network: CutieNetwork) -> tuple[nn.Module, ...]:
    """Return what the released implementation computes in float32 whatever the rest is in."""
    return (
        network.mask_decoder.sensory_update.transform,
        network.mask_encoder.sensory_update.transform,
        network.mask_decoder.pred,
        network.object_summarizer,
    )


class _JoinedBranch(nn.Module):
    """``KeyBranch`` with its three last convolutions as one."""

    def __init__(self, branch: KeyBranch) -> None:
        super().__init__()
        self.pix_feat_proj = branch.pix_feat_proj
        self.joined = JoinedProjection(branch)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Do what ``KeyBranch.forward`` does."""
        return self.joined(self.pix_feat_proj(x))  # type: ignore[no-any-return]
