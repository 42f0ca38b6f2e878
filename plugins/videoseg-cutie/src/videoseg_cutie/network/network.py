"""Cutie's network (Cheng et al., CVPR 2024), without its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from videoseg_xmem.competition import competing_odds
from videoseg_xmem.network.openvino_steps import StepFunction

from videoseg_cutie.network.decoder import MaskDecoder
from videoseg_cutie.network.encoders import KeyBranch, MaskEncoder, PixelEncoder
from videoseg_cutie.network.fusing import FeatureFuser
from videoseg_cutie.network.summarizer import ObjectSummarizer
from videoseg_cutie.network.transformer import ObjectTransformer

if TYPE_CHECKING:
    from videoseg_cutie.network.dimensions import Dimensions

__all__ = ["CutieNetwork", "EncodedFrame", "others_of", "probabilities_of", "shares_of"]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What the pixel encoder makes of a frame.

    Args:
        key: Shape (1, C^k, h, w), float32.
        shrinkage: Shape (1, 1, h, w), float32, at least 1.
        selection: Shape (1, C^k, h, w), float32, in [0, 1].
        pixels: Features that objects are joined with, shape (1, pixel, h, w).
        finer: What the decoder adds at stride 8, shape (1, C, 2h, 2w).
        finest: What it adds at stride 4, shape (1, middle, 4h, 4w).
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    pixels: Tensor
    finer: Tensor
    finest: Tensor


class PixelFuser(nn.Module):
    """Joins a reading of the memory with the sensory memory, the last masks and the frame."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        self.fuser = FeatureFuser(dimensions.pixel, dimensions.value, dimensions.embed)
        self.sensory_compress = nn.Conv2d(dimensions.sensory + 2, dimensions.value, 1)

    def forward(
        self, pixels: Tensor, readout: Tensor, sensory: Tensor, last: Tensor, others: Tensor
    ) -> Tensor:
        """Map to (N, C, h, w).

        Args:
            pixels: The image's features, shape (1, pixel, h, w).
            readout: Shape (N, C^v, h, w).
            sensory: Shape (N, C^h, h, w).
            last: Share of each place that belonged to the object on the last frame, (N, h, w).
            others: What belonged to the other objects given, (N, h, w).
        """
        state = torch.cat([sensory, last[:, None], others[:, None]], dim=1).to(pixels.dtype)
        return self.fuser(pixels, self.sensory_compress(state).add_(readout))  # type: ignore[no-any-return]


class CutieNetwork(nn.Module):
    """Encodes frames and masks, refines readings of the memory and decodes them.

    Parameters are named as in the published checkpoints, but for the auxiliary heads that serve
    training, which it does not have. Images are normalized; h and w are their size at stride 16.

    Args:
        dimensions: The numbers of channels.
    """

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.pixel_encoder: nn.Module = PixelEncoder(dimensions)
        self.pix_feat_proj = nn.Conv2d(dimensions.features[0], dimensions.pixel, 1)
        self.key_proj: nn.Module = KeyBranch(dimensions)
        self.mask_encoder = MaskEncoder(dimensions)
        self.mask_decoder = MaskDecoder(dimensions)
        self.pixel_fuser = PixelFuser(dimensions)
        self.object_transformer = ObjectTransformer(dimensions)
        self.object_summarizer = ObjectSummarizer(dimensions)
        # What runs steps of it in place of torch, by the names of the methods.
        self.engines: dict[str, StepFunction] = {}

    @property
    def dtype(self) -> torch.dtype:
        """The type in which it takes images."""
        return next(self.mask_encoder.conv1.parameters()).dtype

    def encode_frame(self, image: Tensor) -> EncodedFrame:
        """Encode a frame, shape (1, 3, H, W), H and W multiples of 16."""
        return EncodedFrame(*self._run("image_features", image))

    def encode_masks(
        self, image: Tensor, frame: EncodedFrame, masks: Tensor, others: Tensor, sensory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode objects of a frame that is remembered.

        Args:
            image: Shape (1, 3, H, W).
            frame: The encoded frame.
            masks: Probability of each object at each pixel, shape (N, H, W), float32.
            others: What the masks of all other objects add up to, shape (N, H, W).
            sensory: The sensory memory, shape (N, C^h, h, w).

        Returns:
            Values (N, C^v, h, w), the sensory memory after its deep update, and summaries
            (N, Q, C + 1).
        """
        shares = shares_of(masks)
        masks, others = masks.to(image.dtype), others.to(image.dtype)
        values, sensory, summaries = self._run(
            "object_values", image, frame.pixels, masks, others, sensory, shares
        )
        return values, sensory, summaries

    def refine(
        self,
        frame: EncodedFrame,
        readout: Tensor,
        sensory: Tensor,
        last: Tensor,
        summaries: Tensor,
    ) -> Tensor:
        """Return a reading of the memory as the decoder takes it, shape (N, C, h, w).

        Objects given together compete.

        Args:
            frame: The encoded frame.
            readout: Shape (N, C^v, h, w).
            sensory: Shape (N, C^h, h, w).
            last: Share of each place that belonged to each object on the last frame, (N, h, w).
            summaries: What the object memory holds, (N, Q, C + 1).
        """
        (refined,) = self._run(
            "refined_reading", frame.pixels, readout, sensory, last, others_of(last), summaries
        )
        return refined

    def decode(
        self, frame: EncodedFrame, refined: Tensor, sensory: Tensor, *, update: bool
    ) -> tuple[Tensor, Tensor]:
        """Decode objects of a frame; see ``MaskDecoder.forward``.

        Args:
            frame: The encoded frame.
            refined: What ``refine`` returned, shape (N, C, h, w).
            sensory: The sensory memory, shape (N, C^h, h, w).
            update: Whether to update it.

        Returns:
            Logits, float32, shape (N, H / 4, W / 4), and the sensory memory.
        """
        detail = frame.finer, frame.finest
        if update or "decoded" in self.engines:
            logits, updated = self._run("decoded", *detail, refined, sensory)
            return logits, updated if update else sensory
        return self.mask_decoder(detail, refined, sensory, update=False)  # type: ignore[no-any-return]

    # -- steps, from tensors to tensors ----------------------------------------------------

    def image_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of an ``EncodedFrame``."""
        f16, f8, f4 = self.pixel_encoder(image)
        return *self.key_proj(f16), self.pix_feat_proj(f16), *self.mask_decoder.project(f8, f4)

    def object_values(
        self,
        image: Tensor,
        pixels: Tensor,
        masks: Tensor,
        others: Tensor,
        sensory: Tensor,
        shares: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return what ``encode_masks`` does."""
        values, sensory = self.mask_encoder(image, pixels, masks, others, sensory)
        return values, sensory, self.object_summarizer(shares, values)

    def refined_reading(
        self,
        pixels: Tensor,
        readout: Tensor,
        sensory: Tensor,
        last: Tensor,
        others: Tensor,
        summaries: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return what ``refine`` does, as a tuple of one."""
        fused = self.pixel_fuser(pixels, readout, sensory, last, others)
        return (self.object_transformer(fused, summaries),)

    def decoded(
        self, finer: Tensor, finest: Tensor, refined: Tensor, sensory: Tensor
    ) -> tuple[Tensor, ...]:
        """Return what ``decode`` does with an update."""
        return self.mask_decoder((finer, finest), refined, sensory, update=True)  # type: ignore[no-any-return]

    def _run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        run: StepFunction = self.engines.get(step) or getattr(self, step)
        return run(*inputs)


def others_of(masks: Tensor) -> Tensor:
    """Return for each object what the masks of the others add up to, shape (N, ...)."""
    return (masks.sum(dim=0, keepdim=True) - masks).clamp_(0, 1)


def shares_of(masks: Tensor) -> Tensor:
    """Return the mean of masks (N, H, W) over each place at stride 16, shape (N, h, w)."""
    return functional.avg_pool2d(masks[None], 16)[0]


def probabilities_of(logits: Tensor) -> Tensor:
    """Let objects compete at stride 4, and enlarge what comes out.

    Args:
        logits: Of each object alone, shape (N, H / 4, W / 4), float32.

    Returns:
        Probability of the background and of each object, shape (1 + N, H, W).
    """
    odds = competing_odds(torch.sigmoid(logits)).log_()
    large = functional.interpolate(
        odds[None], scale_factor=4, mode="bilinear", align_corners=False
    )
    return torch.softmax(large[0], dim=0)
