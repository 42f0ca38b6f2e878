"""A plug-in for videoseg to copy from: a sampler and an event log."""

from videoseg_example.event_log import EventLog
from videoseg_example.sharpest import SharpestSampler, sharpness

__all__ = ["EventLog", "SharpestSampler", "sharpness"]
