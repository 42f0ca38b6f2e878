"""Composing stages and running them."""

from videoseg.pipeline.config import PipelineConfig, Use, use
from videoseg.pipeline.episode_loop import run_episode
from videoseg.pipeline.explanation import Explanation
from videoseg.pipeline.pipeline import Pipeline
from videoseg.pipeline.query import check_query
from videoseg.pipeline.stream import MaskStream

__all__ = [
    "Explanation",
    "MaskStream",
    "Pipeline",
    "PipelineConfig",
    "Use",
    "check_query",
    "run_episode",
    "use",
]
