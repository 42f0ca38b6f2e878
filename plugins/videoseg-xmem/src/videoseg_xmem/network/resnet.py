"""The residual networks (He et al., CVPR 2016) up to a stride of 16.

Only what XMem uses of them: the stem and three stages. Attribute names are those of the
published checkpoints.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BasicBlock", "Bottleneck", "stage"]


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


def stage(
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
