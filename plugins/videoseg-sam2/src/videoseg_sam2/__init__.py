"""SAM 2 for videoseg: a segmenter and a propagator whose memory is bounded."""

from videoseg_sam2.propagator import Sam2Propagator
from videoseg_sam2.segmenter import Sam2Segmenter

__all__ = ["Sam2Propagator", "Sam2Segmenter"]
