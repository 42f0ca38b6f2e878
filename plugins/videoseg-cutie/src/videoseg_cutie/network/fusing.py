"""Joining features of the image with features of each object."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from videoseg_xmem.network.blocks import rectified

__all__ = ["AttendedBlock", "FeatureFuser"]


class AttendedBlock(nn.Module):
    """Two 3x3 convolutions with the activation before each, channel attention, and a shortcut.

    A channel is weighted by the spatial means of its neighbors (ECA-Net, Wang et al., CVPR 2020).

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2: nn.Module = nn.Conv2d(channels, channels, 3, padding=1)
        # ECA-Net, equation 12: more channels have more neighbors, of which there is an odd number.
        reach = int((math.log2(channels) + 1) // 2)
        size = reach + 1 - reach % 2
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to a tensor of the same shape."""
        y = rectified(self.conv2, rectified(self.conv1, x))
        weights = torch.sigmoid(self.conv(y.mean(dim=(2, 3))[:, None]))
        return torch.addcmul(x, y, weights[:, 0, :, None, None])


class FeatureFuser(nn.Module):
    """Adds features of the image to those of each object and lets two blocks mix them.

    Args:
        image_channels: Channels of the image's features.
        object_channels: Channels of the objects' features.
        channels: Channels of the output.
    """

    def __init__(self, image_channels: int, object_channels: int, channels: int) -> None:
        super().__init__()
        # The checkpoints have the two projections under this name.
        self.distributor = nn.ModuleDict(
            {
                "x_transform": nn.Conv2d(image_channels, channels, 1),
                "g_transform": nn.Conv2d(object_channels, channels, 1),
            }
        )
        self.block1 = AttendedBlock(channels)
        self.block2 = AttendedBlock(channels)

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Map (1, image_channels, h, w) and (N, object_channels, h, w) to (N, channels, h, w)."""
        joined = self.distributor["g_transform"](objects).add_(
            self.distributor["x_transform"](image)
        )
        return self.block2(self.block1(joined))  # type: ignore[no-any-return]
