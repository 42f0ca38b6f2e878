"""The object transformer: queries of each object look at its pixels, and pixels at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from videoseg_xmem.competition import competing_odds

from videoseg_cutie.network.dimensions import NUM_HEADS
from videoseg_cutie.network.fusing import AttendedBlock
from videoseg_cutie.network.positions import positions

if TYPE_CHECKING:
    from videoseg_cutie.network.dimensions import Dimensions

__all__ = ["ObjectTransformer"]

# Keeps the mean of an object that was never seen finite; the released value, which shows.
_LEAST_WEIGHT = 1e-4


class _Attention(nn.Module):
    """Attention of some rows to others.

    Args:
        channels: Channels of both.
        name: Under which name the checkpoints have the attention.
        normalizes: Whether the rows are normalized first, the shortcut included.
    """

    def __init__(self, channels: int, name: str, *, normalizes: bool) -> None:
        super().__init__()
        self._name = name
        self.add_module(name, nn.MultiheadAttention(channels, NUM_HEADS, batch_first=True))
        self.norm = nn.LayerNorm(channels) if normalizes else None

    def forward(
        self,
        rows: Tensor,
        row_positions: Tensor,
        others: Tensor | None,
        other_positions: Tensor,
        blocked: Tensor | None = None,
    ) -> Tensor:
        """Return the rows (N, L, C) with what they take from the others (N, S, C) added.

        Args:
            rows: Shape (N, L, C).
            row_positions: Added to them where they ask.
            others: Shape (N, S, C); None for the rows themselves.
            other_positions: Added to them where they are asked.
            blocked: Which rows may not look where, shape (N * heads, L, S).
        """
        rows = rows if self.norm is None else self.norm(rows)
        others = rows if others is None else others
        taken, _ = self.get_submodule(self._name)(
            rows + row_positions,
            others + other_positions,
            others,
            attn_mask=blocked,
            need_weights=False,
        )
        return rows + taken  # type: ignore[no-any-return]


class _FeedForward(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, L, channels) to a tensor of the same shape."""
        return x + self.linear2(functional.relu(self.linear1(self.norm(x))))  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Queries read pixels and one another; then pixels read the queries."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        channels = dimensions.embed
        self.read_from_pixel = _Attention(channels, "cross_attn", normalizes=True)
        self.self_attn = _Attention(channels, "self_attn", normalizes=True)
        self.ffn = _FeedForward(channels, dimensions.hidden)
        self.read_from_query = _Attention(channels, "cross_attn", normalizes=False)
        # The checkpoints have the block under this name.
        self.pixel_ffn = nn.ModuleDict({"conv": AttendedBlock(channels)})

    def forward(
        self,
        queries: Tensor,
        pixels: Tensor,
        query_positions: Tensor,
        pixel_positions: Tensor,
        blocked: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return new queries (N, Q, C) and pixels (N, C, h, w)."""
        rows = pixels.flatten(2).transpose(1, 2)
        queries = self.read_from_pixel(queries, query_positions, rows, pixel_positions, blocked)
        queries = self.ffn(self.self_attn(queries, query_positions, None, query_positions))
        rows = self.read_from_query(rows, pixel_positions, queries, query_positions)
        return queries, self.pixel_ffn["conv"](rows.transpose(1, 2).view(pixels.shape))


class ObjectTransformer(nn.Module):
    """Refines the reading of each object with what is remembered of it as a whole.

    Objects given together compete for the places that their queries may look at (section 3.2
    of the paper).
    """

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        channels, count = dimensions.embed, dimensions.num_queries
        self.query_init = nn.Embedding(count, channels)
        self.query_emb = nn.Embedding(count, channels)
        self.summary_to_query_init = nn.Linear(channels, channels)
        self.summary_to_query_emb = nn.Linear(channels, channels)
        self.pixel_init_proj = nn.Conv2d(channels, channels, 1)
        self.pixel_emb_proj = nn.Conv2d(channels, channels, 1)
        self.blocks = nn.ModuleList(_Block(dimensions) for _ in range(dimensions.num_layers))
        # One head more than is used: the last one serves training.
        self.mask_pred = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 1, 1))
            for _ in range(dimensions.num_layers + 1)
        )

    def forward(self, pixels: Tensor, summaries: Tensor) -> Tensor:
        """Refine readings.

        Args:
            pixels: Shape (N, C, h, w).
            summaries: What the object memory holds, shape (N, Q, C + 1); see
                ``ObjectSummarizer``.

        Returns:
            Shape (N, C, h, w).
        """
        means = summaries[..., :-1] / (summaries[..., -1:] + _LEAST_WEIGHT)
        means = means.to(pixels.dtype)
        queries = self.query_init.weight + self.summary_to_query_init(means)
        query_positions = self.query_emb.weight + self.summary_to_query_emb(means)
        height, width = pixels.shape[-2:]
        places = positions(height, width, pixels.shape[1], pixels.device).to(pixels.dtype)
        pixel_positions = self.pixel_emb_proj(pixels).flatten(2).transpose(1, 2) + places
        pixels = self.pixel_init_proj(pixels)
        for block, head in zip(self.blocks, self.mask_pred, strict=False):
            blocked = _blocked(head(pixels)[:, 0], queries.shape[1])
            queries, pixels = block(queries, pixels, query_positions, pixel_positions, blocked)
        return pixels


def _blocked(logits: Tensor, num_queries: int) -> Tensor:
    """Return where queries may not look, shape (N * heads, num_queries, h * w).

    The first half may look at the object's places only, the second at all others; one that could
    look nowhere may look everywhere.

    Args:
        logits: How much each place looks like each object, shape (N, h, w).
        num_queries: Queries of each object.
    """
    odds = competing_odds(torch.sigmoid(logits.float()))
    outside = (odds[1:] < odds.amax(dim=0)).flatten(1)
    both = torch.stack([outside, ~outside], dim=1)
    both &= ~both.all(dim=2, keepdim=True)
    rows = both.repeat_interleave(num_queries // 2, dim=1)
    return rows.repeat_interleave(NUM_HEADS, dim=0)
