"""Scores for masks."""

from videoseg.metrics.boundary import boundary_f
from videoseg.metrics.region import region_j

__all__ = ["boundary_f", "region_j"]
