"""One propagation over one video."""

from __future__ import annotations

from videoseg_xmem.geometry import FrameGeometry
from videoseg_xmem.runs import TrackerSession

from videoseg.types import PropagatorCapabilities, Size, VideoSource
from videoseg_cutie.network import CutieNetwork
from videoseg_cutie.options import MemoryOptions
from videoseg_cutie.tracker import Tracker

__all__ = ["CutieSession", "cutie_size"]


def cutie_size(source: Size, longest: int) -> Size:
    """Return the size at which Cutie sees frames, rounded down as its release does.

    Args:
        source: (height, width) of the video.
        longest: Greatest length of the shorter side; -1 for no limit. Frames are not enlarged.
    """
    shorter = min(source)
    if longest < 0 or shorter <= longest:
        return source
    return int(source[0] / shorter * longest), int(source[1] / shorter * longest)


class CutieSession(TrackerSession):
    """Propagates objects through one video; see ``CutiePropagator``.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        network: The prepared network, which is not changed.
        memory: Sizes of the memories.
        max_internal_size: Greatest length of the frames' shorter side as the network sees them;
            -1 for no limit.
    """

    savings = (
        "precision='bfloat16', a smaller max_internal_size, a smaller max_working_frames, "
        "a chunk_size"
    )

    def __init__(
        self,
        video: VideoSource,
        capabilities: PropagatorCapabilities,
        *,
        network: CutieNetwork,
        memory: MemoryOptions,
        max_internal_size: int,
    ) -> None:
        super().__init__(video, capabilities)
        self._network: CutieNetwork | None = network
        self._memory = memory
        self._max_internal_size = max_internal_size

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
            cutie_size(source, self._max_internal_size),
            device=next(network.parameters()).device,
            dtype=network.dtype,
            gray_padding=False,
            centered=True,
        )
        return Tracker(network, self._memory), geometry
