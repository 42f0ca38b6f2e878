"""XMem's network (Cheng and Schwing, ECCV 2022), without its memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from videoseg_xmem.network.blocks import KeyProjection
from videoseg_xmem.network.decoder import Decoder
from videoseg_xmem.network.dimensions import Dimensions
from videoseg_xmem.network.encoders import KeyEncoder, ValueEncoder

__all__ = ["EncodedFrame", "XMemNetwork"]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What the key encoder makes of a frame.

    Args:
        key: Shape (1, C^k, h, w), float32.
        shrinkage: Shape (1, 1, h, w), float32, at least 1.
        selection: Shape (1, C^k, h, w), float32, in [0, 1].
        features: Features at strides 16, 8 and 4.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    features: tuple[Tensor, Tensor, Tensor]


class XMemNetwork(nn.Module):
    """Encodes frames and masks and decodes readings of the memory.

    Parameters are named as in the published checkpoints.

    Args:
        dimensions: The numbers of channels.
    """

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.key_encoder: nn.Module = KeyEncoder(dimensions)
        self.value_encoder = ValueEncoder(dimensions)
        self.key_proj: nn.Module = KeyProjection(16 * dimensions.width, dimensions.key)
        self.decoder = Decoder(dimensions)

    @property
    def dtype(self) -> torch.dtype:
        """The type in which it takes images and masks."""
        return next(self.value_encoder.conv1.parameters()).dtype

    def encode_key(self, image: Tensor) -> EncodedFrame:
        """Encode a normalized frame, shape (1, 3, H, W), H and W multiples of 16."""
        features = self.key_encoder(image)
        key, shrinkage, selection = self.key_proj(features[0])
        return EncodedFrame(key, shrinkage, selection, features)

    def encode_value(
        self, image: Tensor, f16: Tensor, masks: Tensor, sensory: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Encode the objects of a frame; see ``ValueEncoder.forward``."""
        value, sensory = self.value_encoder(image, f16, masks.to(image.dtype), sensory)
        return value, sensory

    def segment(
        self,
        features: tuple[Tensor, Tensor, Tensor],
        readout: Tensor,
        sensory: Tensor | None,
        *,
        update: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Decode the objects of a frame; see ``Decoder.forward``."""
        logits, sensory = self.decoder(features, readout, sensory, update=update)
        return logits, sensory
