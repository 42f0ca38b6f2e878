"""From the values of an object at all places to a few vectors that stand for the whole object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from videoseg_cutie.network.positions import positions

if TYPE_CHECKING:
    from videoseg_cutie.network.dimensions import Dimensions

__all__ = ["ObjectSummarizer"]


class ObjectSummarizer(nn.Module):
    """Pools features of an object over places it has chosen (section 3.4 of the paper).

    Half of the summaries look at the object's own places, half at all others.
    """

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        embed, count = dimensions.embed, dimensions.num_queries
        self.input_proj = nn.Linear(dimensions.value, embed)
        self.feature_pred = nn.Sequential(
            nn.Linear(embed, embed), nn.ReLU(), nn.Linear(embed, embed)
        )
        self.weights_pred = nn.Sequential(
            nn.Linear(embed, embed), nn.ReLU(), nn.Linear(embed, count)
        )

    def forward(self, masks: Tensor, values: Tensor) -> Tensor:
        """Summarize objects.

        Args:
            masks: Share of each place that belongs to the object, shape (N, h, w), float32.
            values: Shape (N, C^v, h, w).

        Returns:
            Sums of features and, as the last number, of their weights, shape (N, Q, C + 1),
            float32. Summaries of several frames may be added.
        """
        height, width = values.shape[-2:]
        x = self.input_proj(values.flatten(2).transpose(1, 2).float())
        x = x + positions(height, width, x.shape[2], x.device)
        weights = torch.sigmoid(self.weights_pred(x))
        inside = masks.flatten(1)[:, :, None]
        half = weights.shape[2] // 2
        weights = torch.cat([weights[..., :half] * inside, weights[..., half:] * (1 - inside)], 2)
        sums = weights.transpose(1, 2) @ self.feature_pred(x)
        return torch.cat([sums, weights.sum(dim=1)[..., None]], dim=2)
