"""The parts that XMem's encoders and decoder are made of.

Features of the image have a batch of 1, features of objects a batch of N objects; where both
meet, the image's are shared.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from videoseg_xmem.network.winograd import WinogradConv2d

__all__ = [
    "ChannelGate",
    "ConvolutionalAttention",
    "FusionBlock",
    "KeyProjection",
    "ResidualBlock",
    "SpatialGate",
    "UpsampleBlock",
    "rectified",
]


def rectified(convolution: nn.Module, x: Tensor) -> Tensor:
    """Return what a convolution makes of the rectified input, which is left as it is."""
    if isinstance(convolution, WinogradConv2d):
        return convolution(x, rectify=True)  # type: ignore[no-any-return]
    return convolution(functional.relu(x))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with the activation before each, and a shortcut.

    Args:
        channels: Channels of the input.
        out_channels: Channels of the output; if it differs, the shortcut is a convolution.
        shortcut: The size of that convolution, 1 or 3.
    """

    def __init__(self, channels: int, out_channels: int, *, shortcut: int = 3) -> None:
        super().__init__()
        self.downsample = (
            None
            if channels == out_channels
            else nn.Conv2d(channels, out_channels, shortcut, padding=shortcut // 2)
        )
        self.conv1: nn.Module = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.conv2: nn.Module = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to (N, out_channels, h, w)."""
        y = rectified(self.conv2, rectified(self.conv1, x))
        return y.add_(x if self.downsample is None else self.downsample(x))


class ChannelGate(nn.Module):
    """Weights channels by what their mean and their maximum say (CBAM, Woo et al., 2018)."""

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        inside = max(1, channels // reduction)
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, inside), nn.ReLU(), nn.Linear(inside, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, h, w) with its channels weighted."""
        weights = self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3)))
        return x * torch.sigmoid(weights)[:, :, None, None]


class SpatialGate(nn.Module):
    """Weights places by the maximum and the mean of their channels (CBAM)."""

    def __init__(self) -> None:
        super().__init__()
        # The checkpoints have the convolution under this name.
        self.spatial = nn.ModuleDict({"conv": nn.Conv2d(2, 1, 7, padding=3)})

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, h, w) with its places weighted."""
        pooled = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial["conv"](pooled))


class ConvolutionalAttention(nn.Module):
    """Channel attention, then spatial attention (CBAM)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels)
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, h, w), weighted."""
        return self.SpatialGate(self.ChannelGate(x))  # type: ignore[no-any-return]


class FusionBlock(nn.Module):
    """Joins features of the image with features of each object.

    Args:
        image_channels: Channels of the image's features.
        object_channels: Channels of the objects' features.
        out_channels: Channels of the output.
    """

    def __init__(self, image_channels: int, object_channels: int, out_channels: int) -> None:
        super().__init__()
        self.block1: nn.Module = JoinedBlock(image_channels, object_channels, out_channels)
        self.attention = ConvolutionalAttention(out_channels)
        self.block2 = ResidualBlock(out_channels, out_channels)

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Map (1, image_channels, h, w) and (N, object_channels, h, w) to (N, out, h, w)."""
        joined = self.block1(image, objects)
        return self.block2(self.attention(joined).add_(joined))  # type: ignore[no-any-return]


class JoinedBlock(ResidualBlock):
    """A residual block over the channels of the image followed by those of an object."""

    def __init__(self, image_channels: int, object_channels: int, out_channels: int) -> None:
        super().__init__(image_channels + object_channels, out_channels)
        self.image_channels = image_channels

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:  # type: ignore[override]
        """Map (1, image_channels, h, w) and (N, object_channels, h, w) to (N, out, h, w)."""
        shared = image.expand(len(objects), -1, -1, -1)
        return super().forward(torch.cat([shared, objects], dim=1))


class UpsampleBlock(nn.Module):
    """Doubles the resolution of the objects' features and adds detail from the image.

    Args:
        skip_channels: Channels of the image's finer features.
        channels: Channels of the objects' features.
        out_channels: Channels of the output.
    """

    def __init__(self, skip_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip_conv: nn.Module = nn.Conv2d(skip_channels, channels, 3, padding=1)
        self.out_conv = ResidualBlock(channels, out_channels)

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Map (1, channels, 2h, 2w) and (N, channels, h, w) to (N, out, 2h, 2w).

        Args:
            image: What ``skip_conv`` makes of the image's features, once for all objects.
            objects: Features of the objects.
        """
        finer = functional.interpolate(
            objects, scale_factor=2, mode="bilinear", align_corners=False
        )
        return self.out_conv(finer.add_(image))  # type: ignore[no-any-return]


class KeyProjection(nn.Module):
    """Projects features of the image to key, shrinkage and selection.

    Args:
        channels: Channels of the features.
        key_channels: C^k.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.key_proj: nn.Module = nn.Conv2d(channels, key_channels, 3, padding=1)
        self.d_proj: nn.Module = nn.Conv2d(channels, 1, 3, padding=1)
        self.e_proj: nn.Module = nn.Conv2d(channels, key_channels, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (1, channels, h, w) to key (1, C^k, h, w), shrinkage (1, 1, h, w) >= 1 and
        selection (1, C^k, h, w) in [0, 1].
        """  # noqa: D205 - one sentence
        shrinkage = self.d_proj(x).float().square() + 1
        return self.key_proj(x).float(), shrinkage, torch.sigmoid(self.e_proj(x).float())
