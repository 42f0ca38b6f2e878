"""The decoder: from a refined reading of the memory to logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional
from videoseg_xmem.network.blocks import ResidualBlock
from videoseg_xmem.network.sensory import SensoryUpdater

if TYPE_CHECKING:
    from videoseg_cutie.network.dimensions import Dimensions

__all__ = ["MaskDecoder"]


class _Upsampling(nn.Module):
    """Doubles the resolution of the objects' features and adds detail from the image."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_conv = ResidualBlock(channels, out_channels, shortcut=1)

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Map (1, channels, 2h, 2w) and (N, channels, h, w) to (N, out_channels, 2h, 2w)."""
        finer = functional.interpolate(
            objects, scale_factor=2, mode="bilinear", align_corners=False
        )
        return self.out_conv(finer.add_(image))  # type: ignore[no-any-return]


class _ImageDetail(nn.Module):
    """Projects the image's features at strides 8 and 4 to the decoder's channels."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        _, f8, f4 = dimensions.features
        self.transforms = nn.ModuleList(
            [nn.Conv2d(f8, dimensions.embed, 1), nn.Conv2d(f4, dimensions.middle, 1)]
        )


class MaskDecoder(nn.Module):
    """From a reading and the frame to logits, and to the sensory memory."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        embed, middle, sensory = dimensions.embed, dimensions.middle, dimensions.sensory
        self.sensory_update = SensoryUpdater((embed, middle, middle), sensory, sensory)
        self.decoder_feat_proc = _ImageDetail(dimensions)
        self.up_16_8 = _Upsampling(embed, middle)
        self.up_8_4 = _Upsampling(middle, middle)
        self.pred = nn.Conv2d(middle, 1, 3, padding=1)

    def project(self, f8: Tensor, f4: Tensor) -> tuple[Tensor, Tensor]:
        """Return what all objects of a frame need of its features, once for all of them."""
        finer, finest = self.decoder_feat_proc.transforms
        return finer(f8), finest(f4)

    def forward(
        self, detail: tuple[Tensor, Tensor], readout: Tensor, sensory: Tensor, *, update: bool
    ) -> tuple[Tensor, Tensor]:
        """Decode objects of a frame.

        Args:
            detail: What ``project`` returned.
            readout: Shape (N, C, H / 16, W / 16).
            sensory: The sensory memory, shape (N, C^h, H / 16, W / 16).
            update: Whether to update it.

        Returns:
            Logits, float32, shape (N, H / 4, W / 4), and the sensory memory.
        """
        g8 = self.up_16_8(detail[0], readout)
        g4 = self.up_8_4(detail[1], g8)
        logits = self.pred(functional.relu(g4).to(self.pred.weight.dtype))
        if update:
            sensory = self.sensory_update(readout, g8, g4, logits.to(g4.dtype), sensory)
        return logits[:, 0].float(), sensory
