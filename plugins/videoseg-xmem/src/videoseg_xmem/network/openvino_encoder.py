"""An encoder of images in OpenVINO.

It is the part of a network that always sees one image of one size, whatever the objects. The rest
is left to torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from videoseg.engines import OpenVinoFunction

__all__ = ["OpenVinoEncoder"]


class OpenVinoEncoder(nn.Module):
    """Runs an encoder of images in OpenVINO, in place of torch.

    Args:
        encoder: Maps an image (1, 3, H, W) to several features; without batch norms. It is
            copied.
        eight_bit: Whether its convolutions multiply 8-bit numbers.
    """

    def __init__(self, encoder: nn.Module, *, eight_bit: bool = False) -> None:
        super().__init__()
        self._function = OpenVinoFunction(encoder, eight_bit=eight_bit)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Do what the encoder does."""
        return tuple(
            value.contiguous(memory_format=torch.channels_last) for value in self._function(image)
        )
