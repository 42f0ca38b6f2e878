"""The encoders of a frame and of a frame with its masks, and the ResNets they are made of.

Of the residual networks (He et al., CVPR 2016), XMem uses the stem and three stages, up to a
stride of 16. Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from videoseg_xmem.network.blocks import FusionBlock, update_sensory

if TYPE_CHECKING:
    from videoseg_xmem.network.dimensions import Dimensions

__all__ = ["KeyEncoder", "SensoryReinforcer", "ValueEncoder"]


def _shortcut(channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (ResNet-18).

    Args:
        channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        changes = stride != 1 or channels != width
        self.downsample = _shortcut(channels, width, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to (N, width, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return functional.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (ResNet-50); the stride is on the 3x3.

    Args:
        channels: Channels of the input.
        width: Channels inside; the output has four times as many.
        stride: Stride of the second convolution.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3: nn.Module = nn.BatchNorm2d(out_channels)
        changes = stride != 1 or channels != out_channels
        self.downsample = _shortcut(channels, out_channels, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to (N, 4 * width, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = functional.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return functional.relu(x.add_(shortcut), inplace=True)


def _stage(
    block: type[BasicBlock] | type[Bottleneck],
    channels: int,
    width: int,
    num_blocks: int,
    *,
    stride: int = 1,
) -> nn.Sequential:
    """Return one stage: ``num_blocks`` blocks, of which the first has the stride."""
    first = block(channels, width, stride=stride)
    rest = [block(width * block.expansion, width) for _ in range(num_blocks - 1)]
    return nn.Sequential(first, *rest)


class KeyEncoder(nn.Module):
    """ResNet-50 without its last stage."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        width = dimensions.width
        self.conv1: nn.Module = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.res2 = _stage(Bottleneck, width, width, 3)
        self.layer2 = _stage(Bottleneck, 4 * width, 2 * width, 4, stride=2)
        self.layer3 = _stage(Bottleneck, 8 * width, 4 * width, 6, stride=2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map an image (1, 3, H, W) to features at strides 16, 8 and 4.

        Their channels are 16, 8 and 4 times the network's width.
        """
        x = functional.relu(self.bn1(self.conv1(image)), inplace=True)
        f4 = self.res2(functional.max_pool2d(x, 3, stride=2, padding=1))
        f8 = self.layer2(f4)
        return self.layer3(f8), f8, f4


class SensoryReinforcer(nn.Module):
    """Updates the sensory memory from an encoded value (the deep update).

    Args:
        channels: Channels of the value.
        sensory_channels: C^h.
    """

    def __init__(self, channels: int, sensory_channels: int) -> None:
        super().__init__()
        self.transform: nn.Module = nn.Conv2d(
            channels + sensory_channels, 3 * sensory_channels, 3, padding=1
        )

    def forward(self, value: Tensor, sensory: Tensor) -> Tensor:
        """Map (N, channels, h, w) and (N, C^h, h, w) to (N, C^h, h, w)."""
        return update_sensory(self.transform(torch.cat([value, sensory], dim=1)), sensory)


class ValueEncoder(nn.Module):
    """ResNet-18 without its last stage over image and masks, fused with the key's features."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        width = dimensions.width
        channels = 4 if dimensions.single_object else 5
        self.single_object = dimensions.single_object
        self.conv1: nn.Module = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.layer1 = _stage(BasicBlock, width, width, 2)
        self.layer2 = _stage(BasicBlock, width, 2 * width, 2, stride=2)
        self.layer3 = _stage(BasicBlock, 2 * width, 4 * width, 2, stride=2)
        self.fuser = FusionBlock(16 * width, 4 * width, dimensions.value)
        if dimensions.sensory > 0:
            self.hidden_reinforce = SensoryReinforcer(dimensions.value, dimensions.sensory)

    def forward(
        self, image: Tensor, f16: Tensor, masks: Tensor, sensory: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Encode every object of a frame.

        Args:
            image: Shape (1, 3, H, W).
            f16: The key encoder's features at stride 16.
            masks: Probability of each object at each pixel, shape (N, H, W).
            sensory: The sensory memory, shape (N, C^h, H / 16, W / 16), if there is one.

        Returns:
            Values, shape (N, C^v, H / 16, W / 16), and the new sensory memory.
        """
        planes = [image.expand(len(masks), -1, -1, -1), masks[:, None]]
        if not self.single_object:
            planes.append((masks.sum(dim=0, keepdim=True) - masks)[:, None])
        x = torch.cat(planes, dim=1).contiguous(memory_format=torch.channels_last)
        x = functional.max_pool2d(self.bn1(self.conv1(x)), 3, stride=2, padding=1)
        x = self.layer1(functional.relu(x, inplace=True))
        value = self.fuser(f16, self.layer3(self.layer2(x)))
        if sensory is not None:
            sensory = self.hidden_reinforce(value, sensory)
        return value, sensory
