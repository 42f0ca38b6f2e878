"""Which part of the working memory goes on in the long-term memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from videoseg_xmem.memory.key_frames import KeyFrame
from videoseg_xmem.memory.similarity import query_rows

__all__ = ["Prototypes", "choose_prototypes"]


@dataclass(frozen=True, slots=True)
class Prototypes:
    """The most used places of some frames.

    Args:
        indices: Their places among all places of the frames, shape (P,).
        similarity: How similar all places are to each of them, shape (M, P).
        key: Shape (P, C^k).
        shrinkage: Shape (P,).
    """

    indices: Tensor
    similarity: Tensor
    key: Tensor
    shrinkage: Tensor

    def value(self, values: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Return the prototypes' values: means of the places' values, weighted by similarity.

        Args:
            values: Values of the places from ``first`` on, shape (M - first, C).
            first: The first place for which there are values.

        Returns:
            One value for each prototype that has one, and which have one, shape (P,).
        """
        known = self.indices >= first
        weights = torch.softmax(self.similarity[first:, known], dim=0)
        return weights.to(values.dtype).T @ values, known


def choose_prototypes(frames: list[KeyFrame], count: int) -> Prototypes:
    """Choose the most used places of some frames as prototypes.

    Args:
        frames: At least one.
        count: How many to choose; all, if there are fewer places.
    """
    usage = torch.cat([frame.usage for frame in frames])
    count = min(count, len(usage))
    indices = torch.topk(usage, count).indices
    key = torch.cat([frame.key for frame in frames])[indices]
    selection = torch.cat([frame.selection for frame in frames])[indices]
    similarity = torch.cat([frame.rows for frame in frames]) @ query_rows(key, selection).T
    shrinkage = torch.cat([frame.shrinkage for frame in frames])
    weights = torch.softmax(similarity, dim=0)
    return Prototypes(indices, similarity, key, weights.T @ shrinkage)
