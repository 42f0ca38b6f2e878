"""Measures straight from their definitions, pixel by pixel; slow, and easy to check by eye."""

from __future__ import annotations

import math

import numpy as np


def slow_j(pred, target):
    union = (pred | target).sum()
    return (pred & target).sum() / union if union else 1.0


def slow_boundary(mask):
    """A pixel that differs from its right, lower or lower-right neighbour, if it has them."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            right, below = min(x + 1, width - 1), min(y + 1, height - 1)
            others = [mask[y, right], mask[below, x], mask[below, right]]
            if y == height - 1:
                others = [mask[y, right]]
            elif x == width - 1:
                others = [mask[below, x]]
            out[y, x] = any(other != mask[y, x] for other in others)
    if height and width:
        out[-1, -1] = False
    return out


def slow_f(pred, target, tolerance=0.008):
    radius = tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*pred.shape))
    a, b = np.argwhere(slow_boundary(pred)), np.argwhere(slow_boundary(target))
    if len(a) == 0 and len(b) == 0:
        return 1.0
    if len(a) == 0 or len(b) == 0:
        return 0.0
    near = ((a[:, None] - b[None]) ** 2).sum(axis=2) <= radius * radius
    precision, recall = near.any(1).mean(), near.any(0).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def slow_robustness(pred, target, foreground):
    return max(0.0, 1 - (pred & ~target).sum() / (foreground.sum() + 1e-6))


def slow_decay(values):
    edges = [round(edge + 1e-10) - 1 for edge in np.linspace(1, len(values), 5)]
    first, last = values[: edges[1] + 1], values[edges[3] :]
    return sum(first) / len(first) - sum(last) / len(last)


def slow_tiou_viou(pred, target):
    shown_p = {index for index, mask in enumerate(pred) if mask.any()}
    shown_t = {index for index, mask in enumerate(target) if mask.any()}
    if not shown_p | shown_t:
        return 1.0, 1.0
    both, either = shown_p & shown_t, len(shown_p | shown_t)
    return len(both) / either, sum(slow_j(pred[i], target[i]) for i in both) / either
