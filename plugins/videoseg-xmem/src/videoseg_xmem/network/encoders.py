"""XMem's encoders of a frame and of a frame with its masks.

Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from videoseg_xmem.network.blocks import FusionBlock
from videoseg_xmem.network.resnets import Bottleneck, ImageResNet, MaskResNet
from videoseg_xmem.network.sensory import SensoryReinforcer

if TYPE_CHECKING:
    from videoseg_xmem.network.dimensions import Dimensions

__all__ = ["KeyEncoder", "ValueEncoder"]


class KeyEncoder(ImageResNet):
    """ResNet-50 without its last stage."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__(dimensions.width, Bottleneck, (3, 4, 6))


class ValueEncoder(MaskResNet):
    """ResNet-18 without its last stage over image and masks, fused with the key's features."""

    def __init__(self, dimensions: Dimensions) -> None:
        width = dimensions.width
        super().__init__(width, single_object=dimensions.single_object)
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
        others = masks.sum(dim=0, keepdim=True) - masks
        value = self.fuser(f16, self.encode_masks(image, masks, others))
        if sensory is not None:
            sensory = self.hidden_reinforce(value, sensory)
        return value, sensory
