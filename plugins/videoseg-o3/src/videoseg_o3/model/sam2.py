"""SAM 2 inside a checkpoint: how the released model sets it up, feeds it and stores it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from videoseg_sam2 import NetworkSettings, recognize_network

from videoseg import ConfigError
from videoseg.types import Frame
from videoseg_o3.model.files import read_part, read_shapes
from videoseg_o3.model.keys import SAM2, describe_state, split_state

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["O3_SETTINGS", "find_network", "network_of", "normalize_frame", "read_sam2"]

O3_SETTINGS = NetworkSettings(hide_absent=False, binarize_prompted=False)
"""As the official code builds SAM 2: masks of absent objects are shown, and the memory of a
prompted frame is made of probabilities."""

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


def read_sam2(folder: Path, _name: str = "") -> dict[str, Tensor]:
    """Return the parameters of SAM 2 in a checkpoint; nothing else of it is read.

    Raises:
        ConfigError: If a file is damaged.
    """
    return split_state(read_part(folder, (SAM2,))).sam2


def network_of(folder: Path, model: str) -> str:
    """Return which network of SAM 2 a checkpoint has, without reading it.

    Raises:
        ConfigError: If it has none, or none that is known.
    """
    shapes = read_shapes(folder)
    parts = split_state(shapes)
    if not parts.sam2:
        raise ConfigError(
            f"the checkpoint {model!r} has no SAM 2 (parameters {SAM2}*): {describe_state(shapes)}"
        )
    return find_network(parts.sam2, model)


def find_network(state: Mapping[str, Tensor], model: str) -> str:
    """Return which network of SAM 2 has these parameters.

    Raises:
        ConfigError: If it is none that is known.
    """
    name = recognize_network(state)
    if name is None:
        raise ConfigError(
            f"SAM 2 in the checkpoint {model!r} is of no known size; released checkpoints have "
            "'sam2-hiera-large'"
        )
    return name
