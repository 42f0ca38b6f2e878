"""Steps by which a network is rewritten into an equal one that is faster."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from videoseg_xmem.network.blocks import KeyProjection
from videoseg_xmem.network.winograd import WinogradConv2d

__all__ = [
    "FirstLayers",
    "JoinedProjection",
    "convolution_of",
    "fold_batch_norms",
    "save_multiplications",
]

# With fewer channels the transforms cost more than the multiplications they save.
_LEAST_CHANNELS = 64


class FirstLayers:
    """Takes the layers nearest to the pixels out of a network and puts them back in float32.

    Their filters find small differences between large, nearly equal numbers, so that rounding
    these to bfloat16 costs more than rounding everything after them. They are the first
    convolutions of both encoders and the first stage of the image's, together one in twenty
    of all multiplications in XMem.

    Args:
        image: The encoder of images.
        masks: The encoder of masks.
    """

    def __init__(self, image: nn.Module, masks: nn.Module) -> None:
        # Whether the rest of the network sees what a layer makes: of the image encoder's first
        # convolution, only its first stage does.
        self._places: Sequence[tuple[nn.Module, str, bool]] = (
            (image, "conv1", False),
            (image, "res2", True),
            (masks, "conv1", True),
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


def convolution_of(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Return a 3x3 convolution with padding 1 and these weights."""
    made = nn.Conv2d(
        weight.shape[1], weight.shape[0], 3, padding=1, bias=bias is not None, device="meta"
    )
    made.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made


class JoinedProjection(nn.Module):
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
        self.joined = convolution_of(torch.cat(weights), torch.cat(biases))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Do what ``KeyProjection.forward`` does."""
        key, shrinkage, selection = self.joined(x).float().split(self.sizes, dim=1)
        return key, shrinkage.square() + 1, torch.sigmoid(selection)


def save_multiplications(module: nn.Module) -> None:
    """Replace the 3x3 convolutions that are worth it by ``WinogradConv2d``, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and _is_worth_it(child):
            setattr(module, name, WinogradConv2d(child.weight, child.bias))
        else:
            save_multiplications(child)


def _is_worth_it(convolution: nn.Conv2d) -> bool:
    return (
        convolution.kernel_size == (3, 3)
        and convolution.stride == (1, 1)
        and min(convolution.in_channels, convolution.out_channels) >= _LEAST_CHANNELS
    )
