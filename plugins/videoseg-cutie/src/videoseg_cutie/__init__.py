"""Cutie for videoseg: propagates masks with memories of pixels and of whole objects."""

from videoseg_cutie.options import MemoryOptions
from videoseg_cutie.propagator import CutiePropagator

__all__ = ["CutiePropagator", "MemoryOptions"]
