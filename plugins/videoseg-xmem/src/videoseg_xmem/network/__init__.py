"""XMem's network. Importing this imports torch."""

from videoseg_xmem.network.dimensions import Dimensions
from videoseg_xmem.network.network import EncodedFrame, XMemNetwork

__all__ = ["Dimensions", "EncodedFrame", "XMemNetwork"]
