"""The sensory memory: a gated recurrent unit at each place, updated from two sides.

The decoder updates it on usual frames, the encoder of masks on frames that are remembered.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SensoryReinforcer", "SensoryUpdater", "update_sensory"]


class SensoryUpdater(nn.Module):
    """Updates the sensory memory from the decoder's features at all three strides.

    Args:
        channels: Channels of the features at strides 16, 8 and 4.
        middle: Channels that they are mapped to.
        sensory_channels: C^h.
    """

    def __init__(self, channels: tuple[int, int, int], middle: int, sensory_channels: int) -> None:
        super().__init__()
        self.g16_conv: nn.Module = nn.Conv2d(channels[0], middle, 1)
        self.g8_conv: nn.Module = nn.Conv2d(channels[1], middle, 1)
        self.g4_conv: nn.Module = nn.Conv2d(channels[2] + 1, middle, 1)
        self.transform: nn.Module = nn.Conv2d(
            middle + sensory_channels, 3 * sensory_channels, 3, padding=1
        )

    def forward(
        self, g16: Tensor, g8: Tensor, g4: Tensor, logits: Tensor, sensory: Tensor
    ) -> Tensor:
        """Map features at strides 16, 8 and 4, and logits at stride 4, to (N, C^h, h, w)."""
        # Shrunk first, so that the logits are joined to a sixteenth of the features.
        small = torch.cat([functional.avg_pool2d(g4, 4), functional.avg_pool2d(logits, 4)], dim=1)
        x = self.g16_conv(g16)
        x = x + self.g8_conv(functional.avg_pool2d(g8, 2)) + self.g4_conv(small)
        return update_sensory(self.transform(torch.cat([x, sensory], dim=1)), sensory)


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


def update_sensory(values: Tensor, sensory: Tensor) -> Tensor:
    """Return the sensory memory after one step of XMem's gated recurrent unit.

    Args:
        values: Forget gate, update gate and new value before their activations, one after
            another, shape (N, 3 * C^h, h, w).
        sensory: The memory before, shape (N, C^h, h, w).
    """
    forget, update, new = values.chunk(3, dim=1)
    forget, update = torch.sigmoid(forget), torch.sigmoid(update)
    return forget * sensory * (1 - update) + update * torch.tanh(new)
