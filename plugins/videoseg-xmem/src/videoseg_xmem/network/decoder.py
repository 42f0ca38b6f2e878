"""The decoder: from a reading of the memory to masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from videoseg_xmem.network.blocks import FusionBlock, UpsampleBlock
from videoseg_xmem.network.sensory import SensoryUpdater

if TYPE_CHECKING:
    from videoseg_xmem.network.dimensions import Dimensions

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """From a reading of the memory, the sensory memory and the frame to logits."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        width = dimensions.width
        self.fuser = FusionBlock(16 * width, dimensions.value + dimensions.sensory, 8 * width)
        if dimensions.sensory > 0:
            channels = (8 * width, 4 * width, 4 * width)
            self.hidden_update = SensoryUpdater(channels, 4 * width, dimensions.sensory)
        self.up_16_8 = UpsampleBlock(8 * width, 8 * width, 4 * width)
        self.up_8_4 = UpsampleBlock(4 * width, 4 * width, 4 * width)
        self.pred = nn.Conv2d(4 * width, 1, 3, padding=1)

    def project(self, f8: Tensor, f4: Tensor) -> tuple[Tensor, Tensor]:
        """Return what all objects of a frame need of its features, once for all of them."""
        return self.up_16_8.skip_conv(f8), self.up_8_4.skip_conv(f4)

    def forward(
        self,
        features: tuple[Tensor, Tensor, Tensor],
        readout: Tensor,
        sensory: Tensor | None,
        *,
        update: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Decode every object of a frame.

        Args:
            features: The key encoder's at stride 16, and what ``project`` returned.
            readout: What was read from the memory, shape (N, C^v, H / 16, W / 16).
            sensory: The sensory memory, shape (N, C^h, H / 16, W / 16), if there is one.
            update: Whether to update the sensory memory.

        Returns:
            Logits at the frame's size, float32, shape (N, H, W), and the sensory memory.
        """
        f16, finer, finest = features
        inside = readout if sensory is None else torch.cat([readout, sensory], dim=1)
        g16 = self.fuser(f16, inside)
        g8 = self.up_16_8(finer, g16)
        g4 = self.up_8_4(finest, g8)
        logits = self.pred(functional.relu(g4))
        if update and sensory is not None:
            sensory = self.hidden_update(g16, g8, g4, logits, sensory)
        large = functional.interpolate(
            logits.float(), scale_factor=4, mode="bilinear", align_corners=False
        )
        return large[:, 0], sensory
