"""XMem's working and long-term memory. Importing this imports torch."""

from videoseg_xmem.memory.memory import Memory

__all__ = ["Memory"]
