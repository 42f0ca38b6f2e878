"""Measures of masks and windows, the protocol of each benchmark, and scores by them."""

from videoseg.metrics.matching import best_assignment
from videoseg.metrics.measures import decay, mean, recall, window_iou
from videoseg.metrics.overlap import FrameTally
from videoseg.metrics.protocol import (
    FINAL_SCORE_PARTS,
    MEASURES,
    EvalProtocol,
    Measure,
    measure_name,
)
from videoseg.metrics.protocols import PROTOCOLS, protocol_named
from videoseg.metrics.scoring import ObjectScore, PredictedMasks, SampleScore, score_sample
from videoseg.metrics.summary import (
    MaskMetrics,
    ProtocolMetrics,
    Summary,
    WindowMetrics,
    summarize,
)
from videoseg.metrics.task import resized_nearest
from videoseg.metrics.video import (
    Masks,
    boundary_f,
    pixel_accuracy,
    region_j,
    robustness,
    spatiotemporal_iou,
    tally,
    temporal_iou,
)

__all__ = [
    "FINAL_SCORE_PARTS",
    "MEASURES",
    "PROTOCOLS",
    "EvalProtocol",
    "FrameTally",
    "MaskMetrics",
    "Masks",
    "Measure",
    "ObjectScore",
    "PredictedMasks",
    "ProtocolMetrics",
    "SampleScore",
    "Summary",
    "WindowMetrics",
    "best_assignment",
    "boundary_f",
    "decay",
    "mean",
    "measure_name",
    "pixel_accuracy",
    "protocol_named",
    "recall",
    "region_j",
    "resized_nearest",
    "robustness",
    "score_sample",
    "spatiotemporal_iou",
    "summarize",
    "tally",
    "temporal_iou",
    "window_iou",
]
