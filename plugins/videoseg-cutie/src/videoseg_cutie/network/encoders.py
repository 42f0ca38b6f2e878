"""Cutie's encoders of a frame and of a frame with its masks.

Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from videoseg_xmem.network.blocks import KeyProjection
from videoseg_xmem.network.resnets import BasicBlock, Bottleneck, ImageResNet, MaskResNet
from videoseg_xmem.network.sensory import SensoryReinforcer

from videoseg_cutie.network.fusing import FeatureFuser

if TYPE_CHECKING:
    from videoseg_cutie.network.dimensions import Dimensions

__all__ = ["KeyBranch", "MaskEncoder", "PixelEncoder"]


class PixelEncoder(ImageResNet):
    """ResNet-50 or ResNet-18 without its last stage."""

    def __init__(self, dimensions: Dimensions) -> None:
        block = Bottleneck if dimensions.bottlenecks else BasicBlock
        super().__init__(dimensions.width, block, dimensions.num_blocks)


class KeyBranch(KeyProjection):
    """From features of the image at stride 16 to key, shrinkage and selection."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__(dimensions.pixel, dimensions.key)
        self.pix_feat_proj = nn.Conv2d(dimensions.features[0], dimensions.pixel, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Do what ``KeyProjection.forward`` does, with a projection before it."""
        return super().forward(self.pix_feat_proj(x))


class MaskEncoder(MaskResNet):
    """ResNet-18 without its last stage over image and masks, fused with the image's features."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__(dimensions.width)
        self.fuser = FeatureFuser(dimensions.pixel, 4 * dimensions.width, dimensions.value)
        self.sensory_update = SensoryReinforcer(dimensions.value, dimensions.sensory)

    def forward(
        self, image: Tensor, pixels: Tensor, masks: Tensor, others: Tensor, sensory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode objects of a frame.

        Args:
            image: Shape (1, 3, H, W).
            pixels: The image's features, shape (1, pixel, H / 16, W / 16).
            masks: Probability of each object at each pixel, shape (N, H, W).
            others: What the masks of all other objects add up to, shape (N, H, W).
            sensory: The sensory memory, shape (N, C^h, H / 16, W / 16).

        Returns:
            Values, shape (N, C^v, H / 16, W / 16), and the new sensory memory.
        """
        value = self.fuser(pixels, self.encode_masks(image, masks, others))
        return value, self.sensory_update(value, sensory)
