"""Composing stages and running them."""

from videoseg.pipeline.config import PipelineConfig, Use, use
from videoseg.pipeline.episode_loop import run_episode
from videoseg.pipeline.explanation import Explanation
from videoseg.pipeline.pipeline import Pipeline
from videoseg.pipeline.stream import MaskStream

__all__ = ["Explanation", "MaskStream", "Pipeline", "PipelineConfig", "Use", "run_episode", "use"]
