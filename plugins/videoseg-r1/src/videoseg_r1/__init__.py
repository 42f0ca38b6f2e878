"""The VideoSeg-R1 strategy: hierarchical sampling, explicit reasoning, boxes and points."""

from videoseg_r1.budget import Difficulty, rate_difficulty, token_budget
from videoseg_r1.grounder import ReasoningGrounder
from videoseg_r1.parsing.answer import Answer, ObjectAnswer, parse_answer
from videoseg_r1.parsing.times import parse_percent, parse_span
from videoseg_r1.prompts import PromptTemplate, load_prompt
from videoseg_r1.samplers import (
    DirectSampler,
    HierarchicalSampler,
    SegmentRandomSampler,
    TimestampSampler,
)

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
