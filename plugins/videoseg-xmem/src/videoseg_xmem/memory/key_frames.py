"""The keys of the frames in the working memory."""

from __future__ import annotations

import torch
from torch import Tensor

from videoseg_xmem.memory.similarity import memory_rows

__all__ = ["KeyFrame", "KeyFramePool"]


class KeyFrame:
    """The keys of one remembered frame, in tensors that are used again for later frames.

    Attributes:
        key: Shape (places, C^k).
        selection: Shape (places, C^k).
        shrinkage: Shape (places,).
        rows: What the similarity needs of them, shape (places, 2 * C^k + 1).
        use: How much each place has been read, shape (places,).
        readings: How often it could have been.
    """

    def __init__(self, places: int, key_channels: int, device: torch.device) -> None:
        self.key = torch.empty(places, key_channels, device=device)
        self.selection = torch.empty(places, key_channels, device=device)
        self.shrinkage = torch.empty(places, device=device)
        self.rows = torch.empty(places, 2 * key_channels + 1, device=device)
        self.use = torch.empty(places, device=device)
        self.readings = 0

    def fill(self, key: Tensor, shrinkage: Tensor, selection: Tensor) -> None:
        """Take in a new frame.

        Args:
            key: Shape (places, C^k).
            shrinkage: Shape (places,).
            selection: Shape (places, C^k).
        """
        self.key.copy_(key)
        self.shrinkage.copy_(shrinkage)
        self.selection.copy_(selection)
        self.rows.copy_(memory_rows(key, shrinkage))
        self.use.zero_()
        self.readings = 0

    @property
    def usage(self) -> Tensor:
        """Mean reading of each place, shape (places,)."""
        # A frame not read so far has been used 0 times.
        return self.use / max(self.readings, 1)


class KeyFramePool:
    """Hands out key frames and takes them back, so that none is allocated twice."""

    def __init__(self, places: int, key_channels: int, device: torch.device) -> None:
        self._make = (places, key_channels, device)
        self._spare: list[KeyFrame] = []

    def take(self) -> KeyFrame:
        """Return a key frame with no content."""
        return self._spare.pop() if self._spare else KeyFrame(*self._make)

    def give_back(self, frame: KeyFrame) -> None:
        """Take back one that is no longer read."""
        self._spare.append(frame)
