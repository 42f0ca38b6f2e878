"""Frames on their way into SAM 2, as the released model reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videoseg.types import Frame

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["normalize_frame"]

# ImageNet's mean and standard deviation, RGB; the released model rounds both to bfloat16.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def normalize_frame(frame: Frame, side: int) -> Tensor:
    """Return a frame as the released model reads it.

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
    channels = torch.from_numpy(np.asarray(resized).transpose(2, 0, 1).copy())
    mean, std = (
        torch.tensor(values, dtype=torch.bfloat16)[:, None, None] for values in (_MEAN, _STD)
    )
    return ((channels / 255.0 - mean) / std)[None]
