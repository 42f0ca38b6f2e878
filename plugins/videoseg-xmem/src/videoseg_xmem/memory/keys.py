"""The keys in memory, and the similarity by which they are read."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "KeyFrame",
    "KeyFramePool",
    "LongTermKeys",
    "close_up",
    "memory_rows",
    "query_rows",
    "top_k_softmax",
]

# Rows that ``close_up`` moves at a time.
_ROWS_AT_ONCE = 1024

# The similarity of memory place m and query place q is
#     -s_m * sum_c e_qc (k_mc - k_qc)^2 / sqrt(C^k).
# Multiplied out, it is one product of a row that depends on m and one that depends on q.


def memory_rows(key: Tensor, shrinkage: Tensor) -> Tensor:
    """Return what the similarity needs of places in memory, shape (M, 2 * C^k + 1).

    Args:
        key: Shape (M, C^k).
        shrinkage: Shape (M,).
    """
    scale = (shrinkage / math.sqrt(key.shape[1]))[:, None]
    return torch.cat([-key.square() * scale, 2 * key * scale, -scale], dim=1)


def query_rows(key: Tensor, selection: Tensor) -> Tensor:
    """Return what the similarity needs of places of a query, shape (Q, 2 * C^k + 1).

    Args:
        key: Shape (Q, C^k).
        selection: Shape (Q, C^k).
    """
    weighted = key * selection
    return torch.cat([selection, weighted, (weighted * key).sum(dim=1, keepdim=True)], dim=1)


def top_k_softmax(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return weights and indices of the k most similar places of each query, (Q, k) each.

    Args:
        similarity: Shape (Q, M), at least one finite value in each row.
        k: At most M. The weights sum to 1.
    """
    values, indices = torch.topk(similarity, k, dim=1)
    return torch.softmax(values, dim=1), indices


class KeyFrame:
    """The keys of one remembered frame, in tensors that are used again for later frames.

    Attributes:
        key: Shape (places, C^k).
        selection: Shape (places, C^k).
        shrinkage: Shape (places,).
        rows: What the similarity needs of them, shape (places, 2 * C^k + 1).
    """

    def __init__(self, places: int, key_channels: int, device: torch.device) -> None:
        self.key = torch.empty(places, key_channels, device=device)
        self.selection = torch.empty(places, key_channels, device=device)
        self.shrinkage = torch.empty(places, device=device)
        self.rows = torch.empty(places, 2 * key_channels + 1, device=device)

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

    def without_least_used(self, keep: int) -> Tensor | None:
        """Return which prototypes to keep, shape (size,), so that at most ``keep`` are left.

        None if there are no more than that. Those used as little as the last one to go go
        with it.
        """
        excess = self.size - keep
        if excess <= 0:
            return None
        usage = self._usage()
        threshold = torch.topk(usage, excess, largest=False).values.max()
        return usage > threshold

    def most_used(self, keep: int) -> Tensor | None:
        """Return which prototypes to keep, shape (size,), so that exactly ``keep`` are left.

        None if there are no more than that.
        """
        if self.size <= keep:
            return None
        usage = self._usage()
        kept = torch.zeros_like(usage, dtype=torch.bool)
        kept[torch.topk(usage, keep).indices] = True
        return kept

    def _usage(self) -> Tensor:
        return self._use[: self.size] / self._readings[: self.size].clamp_min(1)

    def retain(self, kept: Tensor) -> None:
        """Drop all others than these, given as shape (size,)."""
        for tensor in (self._use, self._readings):
            close_up(tensor, kept)
        self.size = close_up(self._rows, kept)


def close_up(rows: Tensor, kept: Tensor) -> int:
    """Move the rows to keep to the front, in place and in order; return how many there are.

    Takes no memory for a second large tensor.

    Args:
        rows: Shape (N, ...), with N at least the length of ``kept``.
        kept: Which of the first rows to keep, bool.
    """
    end = 0
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = slice(start, min(start + _ROWS_AT_ONCE, len(kept)))
        # No row moves backwards, so none that is still to be read is written over.
        moving = rows[part][kept[part]]
        rows[end : end + len(moving)] = moving
        end += len(moving)
    return end
