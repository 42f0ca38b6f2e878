"""The residual networks (He et al., CVPR 2016) that encoders are made of.

XMem and Cutie use the stem and three stages, up to a stride of 16. Attribute names are those of
the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BasicBlock", "Bottleneck", "ImageResNet", "MaskResNet", "residual_stage"]


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


def residual_stage(
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


class ImageResNet(nn.Module):
    """A residual network over an image.

    Args:
        width: Channels of the stem.
        block: What its stages consist of.
        num_blocks: How many blocks each of the three stages has.
    """

    def __init__(
        self, width: int, block: type[BasicBlock] | type[Bottleneck], num_blocks: Sequence[int]
    ) -> None:
        super().__init__()
        out = block.expansion
        self.conv1: nn.Module = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.res2 = residual_stage(block, width, width, num_blocks[0])
        self.layer2 = residual_stage(block, out * width, 2 * width, num_blocks[1], stride=2)
        self.layer3 = residual_stage(block, 2 * out * width, 4 * width, num_blocks[2], stride=2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map an image (1, 3, H, W) to features at strides 16, 8 and 4.

        Their channels are 4, 2 and 1 times the stem's, and with ``Bottleneck`` 4 times that.
        """
        x = functional.relu(self.bn1(self.conv1(image)), inplace=True)
        f4 = self.res2(functional.max_pool2d(x, 3, stride=2, padding=1))
        f8 = self.layer2(f4)
        return self.layer3(f8), f8, f4


class MaskResNet(nn.Module):
    """ResNet-18 without its last stage over an image and masks.

    Args:
        width: Channels of the stem.
        single_object: Whether it sees no masks of other objects.
    """

    def __init__(self, width: int, *, single_object: bool = False) -> None:
        super().__init__()
        channels = 4 if single_object else 5
        self.single_object = single_object
        self.conv1: nn.Module = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.layer1 = residual_stage(BasicBlock, width, width, 2)
        self.layer2 = residual_stage(BasicBlock, width, 2 * width, 2, stride=2)
        self.layer3 = residual_stage(BasicBlock, 2 * width, 4 * width, 2, stride=2)

    def encode_masks(self, image: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Return features of each object, shape (N, 4 * width, H / 16, W / 16).

        Args:
            image: Shape (1, 3, H, W).
            masks: Probability of each object at each pixel, shape (N, H, W).
            others: What the masks of the other objects add up to, shape (N, H, W).
        """
        planes = [image.expand(masks.shape[0], -1, -1, -1), masks[:, None]]
        if not self.single_object:
            planes.append(others[:, None])
        x = torch.cat(planes, dim=1).contiguous(memory_format=torch.channels_last)
        x = functional.max_pool2d(self.bn1(self.conv1(x)), 3, stride=2, padding=1)
        x = self.layer1(functional.relu(x, inplace=True))
        return self.layer3(self.layer2(x))  # type: ignore[no-any-return]
