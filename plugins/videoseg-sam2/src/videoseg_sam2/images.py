"""Frames and masks on their way into the network and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videoseg.types import BoolArray, Frame, Size

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["image_input", "mask_input", "to_frame_size", "video_input"]

# What the network was trained with: ImageNet's mean and standard deviation, RGB.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def video_input(frame: Frame, side: int) -> Tensor:
    """Return a frame as SAM 2's video predictor reads one from a picture file.

    Resized with bicubic interpolation on 8-bit values, aspect ratio ignored.

    Args:
        frame: RGB, shape (H, W, 3), dtype uint8.
        side: Side of the network's square input.

    Returns:
        Normalized, shape (1, 3, side, side), dtype float32, on the CPU.
    """
    import torch
    from PIL import Image

    resized = Image.fromarray(np.ascontiguousarray(frame)).resize((side, side))
    channels = np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))
    # The division happens in float64, as the package does it, before the cast.
    scaled = (np.arange(256) / 255.0).astype(np.float32)[channels]
    return _normalize(torch.from_numpy(scaled)[None])


def image_input(frame: Frame, side: int) -> Tensor:
    """Return a frame as SAM 2's image predictor reads one.

    Resized with antialiased bilinear interpolation on floats, aspect ratio ignored.

    Args:
        frame: RGB, shape (H, W, 3), dtype uint8.
        side: Side of the network's square input.

    Returns:
        Normalized, shape (1, 3, side, side), dtype float32, on the CPU.
    """
    import torch
    from torch.nn import functional

    channels = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))
    scaled = channels[None].to(torch.float32) / 255
    resized = functional.interpolate(
        scaled, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return _normalize(resized)


def mask_input(mask: BoolArray, side: int) -> Tensor:
    """Return a mask at the network's input size: 0 or 1, shape (1, 1, side, side), float32.

    A mask that is not empty keeps at least one pixel: an object too small to survive shrinking
    would count as not visible.
    """
    import torch
    from torch.nn import functional

    full = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None]
    if mask.shape == (side, side):
        return full
    resized = functional.interpolate(
        full, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    resized = (resized >= 0.5).float()
    return resized if resized.any() else functional.adaptive_max_pool2d(full, (side, side))


def to_frame_size(logits: Tensor, size: Size) -> Tensor:
    """Return mask logits of shape (N, 1, h, w) at (height, width), float32."""
    from torch.nn import functional

    if tuple(logits.shape[-2:]) == tuple(size):
        return logits.float()
    return functional.interpolate(
        logits.float(), size=tuple(size), mode="bilinear", align_corners=False
    )


def _normalize(images: Tensor) -> Tensor:
    import torch

    images = images - torch.tensor(_MEAN, dtype=torch.float32)[:, None, None]
    return images / torch.tensor(_STD, dtype=torch.float32)[:, None, None]
