"""XMem for videoseg: masks of the first frame carried through videos of any length."""

from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.propagator import XMemPropagator

__all__ = ["MemoryOptions", "XMemPropagator"]
