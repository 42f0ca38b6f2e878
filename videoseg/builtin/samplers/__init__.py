"""Samplers that need no model."""

from videoseg.builtin.samplers.fixed import (
    EverySampler,
    ExplicitSampler,
    FirstSampler,
    MiddleSampler,
    UniformSampler,
)
from videoseg.builtin.samplers.motion import MotionSampler

__all__ = [
    "EverySampler",
    "ExplicitSampler",
    "FirstSampler",
    "MiddleSampler",
    "MotionSampler",
    "UniformSampler",
]
