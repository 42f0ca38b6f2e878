"""Where a place lies, as sines and cosines."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["positions"]

# Positions are scaled to [0, 32], and the longest wave is 128 times as long as the shortest:
# values of the released configuration.
_SCALE = 32.0
_TEMPERATURE = 128.0


def positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return an encoding of each place, shape (height * width, channels), float32.

    The first half of the channels encodes x, the second y, each by a sine and a cosine of every
    frequency in turn.

    Args:
        height: Number of rows.
        width: Number of columns.
        channels: A multiple of 4.
        device: Where it is to be.
    """
    half = channels // 2
    exponents = torch.arange(0, half, 2, device=device) / half
    frequencies = _TEMPERATURE**-exponents
    columns, rows = (_waves(length, frequencies) for length in (width, height))
    encoded = torch.cat(
        [columns.expand(height, -1, -1), rows[:, None].expand(-1, width, -1)], dim=2
    )
    return encoded.flatten(0, 1)


def _waves(length: int, frequencies: Tensor) -> Tensor:
    """Return sines and cosines of each position on one axis, shape (length, half)."""
    place = torch.arange(length, device=frequencies.device)
    # A single row or column is at 0.
    place = place / (length - 1 + 1e-6) * _SCALE
    angles = place[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
