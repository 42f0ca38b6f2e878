"""Rewards of answers, as reinforcement learning with verifiable rewards needs them.

Pure functions: what was said and what is true in, a number out. Where nothing else is said they
follow VideoSeg-R1 (arXiv 2511.16077) and VisionReasoner, whose rewards it adopts.
"""

from videoseg_r1.rewards.advantages import group_advantages
from videoseg_r1.rewards.length import soft_length_penalty
from videoseg_r1.rewards.localisation import (
    LocatedObject,
    answer_format,
    localisation_accuracy,
    negative_distance,
)
from videoseg_r1.rewards.wording import no_repetition, think_format

__all__ = [
    "LocatedObject",
    "answer_format",
    "group_advantages",
    "localisation_accuracy",
    "negative_distance",
    "no_repetition",
    "soft_length_penalty",
    "think_format",
]
