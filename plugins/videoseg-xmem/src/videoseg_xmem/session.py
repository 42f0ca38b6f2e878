"""One propagation over one video."""

from __future__ import annotations

from videoseg.types import PropagatorCapabilities, VideoSource
from videoseg_xmem.geometry import FrameGeometry, xmem_size
from videoseg_xmem.network import XMemNetwork
from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.runs import TrackerSession
from videoseg_xmem.tracker import Tracker

__all__ = ["XMemSession"]


class XMemSession(TrackerSession):
    """Propagates objects through one video; see ``XMemPropagator``.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        network: The prepared network, which is not changed.
        memory: Sizes of the memories.
        size: Length of the frames' shorter side as the network sees them; -1 for the
            source's own.
    """

    savings = "precision='bfloat16', a smaller size, a smaller max_working_frames"

    def __init__(
        self,
        video: VideoSource,
        capabilities: PropagatorCapabilities,
        *,
        network: XMemNetwork,
        memory: MemoryOptions,
        size: int,
    ) -> None:
        super().__init__(video, capabilities)
        self._network: XMemNetwork | None = network
        self._memory = memory
        self._size = size

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError."""
        super().close()
        self._network = None

    def begin(self) -> tuple[Tracker, FrameGeometry]:
        """Return a tracker without memories, and the geometry of its frames."""
        network, source = self._network, self.video.size
        assert network is not None, "an open session has its network"
        geometry = FrameGeometry(
            source,
            xmem_size(source, self._size),
            device=next(network.parameters()).device,
            dtype=network.dtype,
        )
        return Tracker(network, self._memory), geometry
