"""In which order moving parts are followed: those first that are seen again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.types import FloatArray
from videoseg_attributes.regions.moving_parts import Part, coarse_bins
from videoseg_attributes.segmentation.cues import HistogramCue

__all__ = ["by_company"]


def by_company(parts: Sequence[Sequence[Part]], cues: Sequence[HistogramCue]) -> list[Part]:
    """Return the moving parts of all frames, the best ones to start from first.

    A part counts by how much it stands out and by how well parts of its colors stand out on
    the other frames: a ripple, or half an object in front of the lens, does so only once.

    Args:
        parts: The moving parts of each frame.
        cues: The quantised colors of each frame.
    """
    every = [part for here in parts for part in here]
    if not every:
        return []
    colors = np.stack([_colors(part, cues[part.position]) for part in every])
    alike = 1 - np.sqrt(np.clip(1 - colors @ colors.T, 0, 1))
    scores = np.array([part.score for part in every])
    positions = np.array([part.position for part in every])
    company = np.zeros(len(every))
    for position in np.unique(positions):
        there = positions == position
        best = (alike[:, there] * scores[there]).max(axis=1)
        company += np.where(there, 0.0, best)
    if len(np.unique(positions)) > 1:
        scores = scores * company
    return [every[index] for index in np.argsort(-scores, kind="stable")]


def _colors(part: Part, cue: HistogramCue) -> FloatArray:
    bins, num_bins = coarse_bins(cue.bins[part.mask], cue.shape)
    counts = np.bincount(bins, minlength=num_bins).astype(np.float64)
    roots: FloatArray = np.sqrt(counts / max(1.0, counts.sum()))
    return roots
