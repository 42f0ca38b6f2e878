"""Faster inference: a loaded network is rewritten into an equal one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from videoseg_xmem.network.openvino_steps import NetworkStep, put_in_openvino
from videoseg_xmem.network.rewriting import (
    FirstLayers,
    JoinedProjection,
    fold_batch_norms,
    save_multiplications,
)

from videoseg_cutie.network.encoders import KeyBranch, PixelEncoder
from videoseg_cutie.network.network import CutieNetwork

__all__ = ["compile_network", "prepare"]

_IMAGE_STEP = NetworkStep(
    "image_features",
    ("pixel_encoder", "key_proj", "pix_feat_proj", "mask_decoder"),
    # Similarities are differences of keys.
    exact=("key_proj",),
)
_OBJECT_STEPS = (
    NetworkStep(
        "object_values",
        ("mask_encoder", "object_summarizer"),
        batches=range(2, 6),
        # Its sums add up over a video.
        exact=("object_summarizer",),
    ),
    NetworkStep(
        "refined_reading",
        ("pixel_fuser", "object_transformer"),
        batches=range(1, 6),
        # Queries look at a place or do not.
        exact=("object_transformer.mask_pred",),
    ),
    NetworkStep("decoded", ("mask_decoder",), batches=range(2, 4), exact=("mask_decoder.pred",)),
)


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
        openvino: Whether OpenVINO runs what depends on the image alone; on a CPU and in float32.
        eight_bit: Whether it runs the whole network, and multiplies 8-bit numbers.
    """
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    encoder = network.pixel_encoder
    assert isinstance(encoder, PixelEncoder)
    assert isinstance(network.key_proj, KeyBranch)
    network.key_proj = _JoinedBranch(network.key_proj)
    if openvino:
        # In float32 torch does the other steps with fewer multiplications.
        for step in (_IMAGE_STEP, *(_OBJECT_STEPS if eight_bit else ())):
            put_in_openvino(network, step, eight_bit=eight_bit)
    if device.type == "cpu" and not eight_bit:
        save_multiplications(network if dtype == torch.float32 else encoder.res2)
    first = FirstLayers(encoder, network.mask_encoder)
    network.to(device=device, dtype=dtype)
    first.restore(device, dtype)
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
