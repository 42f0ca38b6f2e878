"""The keys of the long-term memory."""

from __future__ import annotations

import torch
from torch import Tensor

from videoseg_xmem.memory.closing_up import close_up
from videoseg_xmem.memory.similarity import memory_rows

__all__ = ["LongTermKeys"]


class LongTermKeys:
    """Keys of prototypes, filled up from the front; the least used make room for new ones.

    Args:
        capacity: How many prototypes there is room for.
        key_channels: C^k.
        device: Where the tensors are.
    """

    def __init__(self, capacity: int, key_channels: int, device: torch.device) -> None:
        self.capacity = capacity
        self.size = 0
        self._rows = torch.zeros(capacity, 2 * key_channels + 1, device=device)
        self._use = torch.zeros(capacity, device=device)
        self._readings = torch.zeros(capacity, device=device)

    @property
    def rows(self) -> Tensor:
        """What the similarity needs of the prototypes, shape (size, 2 * C^k + 1)."""
        return self._rows[: self.size]

    def add(self, key: Tensor, shrinkage: Tensor) -> None:
        """Append prototypes: keys (P, C^k) and shrinkages (P,)."""
        new = slice(self.size, self.size + len(key))
        self._rows[new] = memory_rows(key, shrinkage)
        self._use[new] = 0
        self._readings[new] = 0
        self.size = new.stop

    def count(self, use: Tensor) -> None:
        """Take in how much each prototype has been read on one frame, shape (size,)."""
        self._use[: self.size] += use
        self._readings[: self.size] += 1

    def least_used(self, keep: int) -> Tensor | None:
        """Return which prototypes to keep, shape (size,), so that at most ``keep`` are left.

        None if there are no more than that. Those used as little as the last one to go go
        with it.
        """
        excess = self.size - keep
        if excess <= 0:
            return None
        usage = self._use[: self.size] / self._readings[: self.size].clamp_min(1)
        threshold = torch.topk(usage, excess, largest=False).values.max()
        return usage > threshold

    def retain(self, kept: Tensor) -> None:
        """Drop all others than these, given as shape (size,)."""
        for tensor in (self._use, self._readings):
            close_up(tensor, kept)
        self.size = close_up(self._rows, kept)
