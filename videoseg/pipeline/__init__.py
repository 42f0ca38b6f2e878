"""Composing stages and running them."""

from videoseg.pipeline.config import REQUIRED_STAGES, STAGES, PipelineConfig, Use, use
from videoseg.pipeline.episode_loop import run_episode
from videoseg.pipeline.explanation import Explanation
from videoseg.pipeline.observation import timed_part
from videoseg.pipeline.pipeline import Pipeline
from videoseg.pipeline.readiness import judge_registered
from videoseg.pipeline.run import check_query
from videoseg.pipeline.stream import MaskStream
from videoseg.pipeline.yaml_text import parse_yaml

__all__ = [
    "REQUIRED_STAGES",
    "STAGES",
    "Explanation",
    "MaskStream",
    "Pipeline",
    "PipelineConfig",
    "Use",
    "check_query",
    "judge_registered",
    "parse_yaml",
    "run_episode",
    "timed_part",
    "use",
]
