"""The VideoSeg-R1 strategy: hierarchical sampling, explicit reasoning, boxes and points."""

from videoseg_r1.ablation import DirectSampler, SegmentRandomSampler, TimestampSampler
from videoseg_r1.answers import Answer, ObjectAnswer, parse_answer
from videoseg_r1.budget import Difficulty, rate_difficulty, token_budget
from videoseg_r1.grounder import ReasoningGrounder
from videoseg_r1.htfs import HierarchicalSampler
from videoseg_r1.prompts import PromptTemplate, load_prompt
from videoseg_r1.times import parse_percent, parse_span

__all__ = [
    "Answer",
    "Difficulty",
    "DirectSampler",
    "HierarchicalSampler",
    "ObjectAnswer",
    "PromptTemplate",
    "ReasoningGrounder",
    "SegmentRandomSampler",
    "TimestampSampler",
    "load_prompt",
    "parse_answer",
    "parse_percent",
    "parse_span",
    "rate_difficulty",
    "token_budget",
]
