"""Scores for masks: measures, the rules of each benchmark, and what comes out of them."""

from videoseg.metrics.assignment import best_assignment
from videoseg.metrics.boundary import boundary_f
from videoseg.metrics.protocol import MEASURES, EvalProtocol, Measure
from videoseg.metrics.protocols import PROTOCOLS, protocol_named
from videoseg.metrics.region import region_j
from videoseg.metrics.scoring import ObjectScore, PredictedMasks, SampleScore, score_sample
from videoseg.metrics.statistics import decay, mean, recall
from videoseg.metrics.summary import Summary, summarise
from videoseg.metrics.windows import window_iou

__all__ = [
    "MEASURES",
    "PROTOCOLS",
    "EvalProtocol",
    "Measure",
    "ObjectScore",
    "PredictedMasks",
    "SampleScore",
    "Summary",
    "best_assignment",
    "boundary_f",
    "decay",
    "mean",
    "protocol_named",
    "recall",
    "region_j",
    "score_sample",
    "summarise",
    "window_iou",
]
