"""Faster inference: a loaded network is rewritten into an equal one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from videoseg_xmem.network.blocks import JoinedBlock, KeyProjection, rectified
from videoseg_xmem.network.network import XMemNetwork
from videoseg_xmem.network.winograd import WinogradConv2d

__all__ = ["compile_network", "fold_batch_norms", "prepare"]

# With fewer channels the transforms cost more than the multiplications they save.
_LEAST_CHANNELS = 64


def prepare(network: XMemNetwork, *, device: torch.device, dtype: torch.dtype) -> XMemNetwork:
    """Prepare a network for inference, in place.

    Batch norms are folded into the convolutions before them, convolutions of one input are
    joined, what depends on the image alone is computed once for all objects, and weights are
    laid out channels-last. Its parameters no longer have the published names.

    Args:
        network: The network, in float32.
        device: Where it is to run.
        dtype: The type it is to compute in. The layers nearest to the pixels, the
            similarities of places in memory and the probabilities are always in float32.
    """
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    for block in (network.decoder.fuser, network.value_encoder.fuser):
        if isinstance(block.block1, JoinedBlock) and block.block1.downsample is not None:
            block.block1 = _SharedBlock(block.block1)
    assert isinstance(network.key_proj, KeyProjection)
    network.key_proj = _JoinedProjection(network.key_proj)
    if device.type == "cpu":
        _save_multiplications(network if dtype == torch.float32 else network.key_encoder.res2)
    first = _FirstLayers(network)
    network.to(device=device, dtype=dtype)
    first.restore(device, dtype)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class _FirstLayers:
    """Takes the layers nearest to the pixels out of a network and puts them back in float32.

    Their filters find small differences between large, nearly equal numbers, so that rounding
    these to bfloat16 costs more than rounding everything after them. They are the first
    convolutions of both encoders and the key encoder's first stage, together one in twenty
    of all multiplications.
    """

    def __init__(self, network: XMemNetwork) -> None:
        key, value = network.key_encoder, network.value_encoder
        # Whether the rest of the network sees what a layer makes: of the key encoder's first
        # convolution, only its first stage does.
        self._places: tuple[tuple[nn.Module, str, bool], ...] = (
            (key, "conv1", False),
            (key, "res2", True),
            (value, "conv1", True),
        )
        self._layers = [getattr(encoder, name) for encoder, name, _ in self._places]
        for encoder, name, _ in self._places:
            setattr(encoder, name, nn.Identity())

    def restore(self, device: torch.device, dtype: torch.dtype) -> None:
        """Put them back; what the rest sees of them is rounded to its type."""
        for (encoder, name, seen), layer in zip(self._places, self._layers, strict=True):
            layer.to(device)
            setattr(encoder, name, _Rounded(layer, dtype) if seen else layer)


class _Rounded(nn.Module):
    """A layer in its own type whose output is rounded to another one."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer = layer
        self._dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """Do what the layer does."""
        return self.layer(x).to(self._dtype)  # type: ignore[no-any-return]


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place.

    The two are recognized by their names: ``conv1`` and ``bn1``, or following one another in
    a sequence.
    """
    for child in module.children():
        fold_batch_norms(child)
    children = dict(module.named_children())
    for name, norm in children.items():
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        before = name.replace("bn", "conv") if name.startswith("bn") else str(int(name) - 1)
        convolution = children[before]
        assert isinstance(convolution, nn.Conv2d)
        _fold(convolution, norm)
        setattr(module, name, nn.Identity())


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    # In float64, so that folding rounds once only.
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = convolution.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    dtype = convolution.weight.dtype
    convolution.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    convolution.bias = nn.Parameter(bias.to(dtype), requires_grad=False)


def _convolution(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Return a 3x3 convolution with padding 1 and these weights."""
    made = nn.Conv2d(
        weight.shape[1], weight.shape[0], 3, padding=1, bias=bias is not None, device="meta"
    )
    made.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made


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
        self.image = _convolution(
            torch.cat([first.weight[:, :split], shortcut.weight[:, :split]]),
            torch.cat([first.bias, shortcut.bias]),
        )
        self.conv1 = _convolution(first.weight[:, split:], None)
        self.downsample = _convolution(shortcut.weight[:, split:], None)
        self.conv2 = block.conv2

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Do what ``JoinedBlock.forward`` does."""
        first, shortcut = self.image(image).chunk(2, dim=1)
        y = rectified(self.conv2, rectified(self.conv1, objects).add_(first))
        return y.add_(self.downsample(objects)).add_(shortcut)


class _JoinedProjection(nn.Module):
    """``KeyProjection`` as one convolution."""

    def __init__(self, projection: KeyProjection) -> None:
        super().__init__()
        parts = (projection.key_proj, projection.d_proj, projection.e_proj)
        weights, biases = [], []
        for part in parts:
            assert isinstance(part, nn.Conv2d) and part.bias is not None
            weights.append(part.weight)
            biases.append(part.bias)
        self.sizes = [len(weight) for weight in weights]
        self.joined = _convolution(torch.cat(weights), torch.cat(biases))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Do what ``KeyProjection.forward`` does."""
        key, shrinkage, selection = self.joined(x).float().split(self.sizes, dim=1)
        return key, shrinkage.square() + 1, torch.sigmoid(selection)


def _save_multiplications(module: nn.Module) -> None:
    """Replace the 3x3 convolutions that are worth it by ``WinogradConv2d``, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and _is_worth_it(child):
            setattr(module, name, WinogradConv2d(child.weight, child.bias))
        else:
            _save_multiplications(child)


def _is_worth_it(convolution: nn.Conv2d) -> bool:
    return (
        convolution.kernel_size == (3, 3)
        and convolution.stride == (1, 1)
        and min(convolution.in_channels, convolution.out_channels) >= _LEAST_CHANNELS
    )


def compile_network(network: XMemNetwork) -> XMemNetwork:
    """Compile the parts of a prepared network that every frame needs, in place."""
    for part in (network.key_encoder, network.decoder, network.value_encoder):
        part.compile(dynamic=False)
    return network
