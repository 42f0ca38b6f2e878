"""XMem's network (Cheng and Schwing, ECCV 2022), without its memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from videoseg_xmem.network.blocks import KeyProjection
from videoseg_xmem.network.decoder import Decoder
from videoseg_xmem.network.dimensions import Dimensions
from videoseg_xmem.network.encoders import KeyEncoder, ValueEncoder
from videoseg_xmem.network.openvino_steps import StepFunction

__all__ = ["EncodedFrame", "XMemNetwork"]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What the key encoder makes of a frame.

    Args:
        key: Shape (1, C^k, h, w), float32.
        shrinkage: Shape (1, 1, h, w), float32, at least 1.
        selection: Shape (1, C^k, h, w), float32, in [0, 1].
        features: Features at stride 16, and what the decoder adds at strides 8 and 4.
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
        # What runs steps of it in place of torch, by the names of the methods.
        self.engines: dict[str, StepFunction] = {}

    @property
    def dtype(self) -> torch.dtype:
        """The type in which it takes images and masks."""
        return next(self.value_encoder.conv1.parameters()).dtype

    def encode_key(self, image: Tensor) -> EncodedFrame:
        """Encode a normalized frame, shape (1, 3, H, W), H and W multiples of 16."""
        key, shrinkage, selection, f16, finer, finest = self._run("image_features", image)
        return EncodedFrame(key, shrinkage, selection, (f16, finer, finest))

    def encode_value(
        self, image: Tensor, f16: Tensor, masks: Tensor, sensory: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Encode the objects of a frame; see ``ValueEncoder.forward``."""
        state = () if sensory is None else (sensory,)
        value, *after = self._run("object_values", image, f16, masks.to(image.dtype), *state)
        return value, after[0] if after else None

    def segment(
        self,
        features: tuple[Tensor, Tensor, Tensor],
        readout: Tensor,
        sensory: Tensor | None,
        *,
        update: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Decode the objects of a frame; see ``Decoder.forward``."""
        if "decoded" in self.engines:
            state = () if sensory is None else (sensory,)
            logits, *after = self._run("decoded", *features, readout, *state)
            return logits, after[0] if after and update else sensory
        logits, sensory = self.decoder(features, readout, sensory, update=update)
        return logits, sensory

    # -- steps, from tensors to tensors ----------------------------------------------------

    def image_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return key, shrinkage, selection and the features of an ``EncodedFrame``."""
        f16, f8, f4 = self.key_encoder(image)
        return *self.key_proj(f16), f16, *self.decoder.project(f8, f4)

    def object_values(
        self, image: Tensor, f16: Tensor, masks: Tensor, sensory: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return what ``encode_value`` does, without a sensory memory that is not there."""
        value, sensory = self.value_encoder(image, f16, masks, sensory)
        return (value,) if sensory is None else (value, sensory)

    def decoded(
        self,
        f16: Tensor,
        finer: Tensor,
        finest: Tensor,
        readout: Tensor,
        sensory: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return what ``segment`` does with an update."""
        logits, sensory = self.decoder((f16, finer, finest), readout, sensory, update=True)
        return (logits,) if sensory is None else (logits, sensory)

    def _run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        run: StepFunction = self.engines.get(step) or getattr(self, step)
        return run(*inputs)
