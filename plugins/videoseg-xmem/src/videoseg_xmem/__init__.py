"""XMem for videoseg: propagates masks through videos of any length in bounded memory."""

from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.propagator import XMemPropagator

__all__ = ["MemoryOptions", "XMemPropagator"]
