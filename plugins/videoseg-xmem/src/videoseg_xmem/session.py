"""One propagation over one video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from videoseg.devices import is_out_of_memory, torch_defaults
from videoseg.errors import PropagationError
from videoseg.propagation import FrameRun, SessionBase
from videoseg.types import BoolArray, Frame, PropagatorCapabilities, VideoSource
from videoseg_xmem.geometry import FrameGeometry
from videoseg_xmem.network import XMemNetwork
from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.tracker import Tracker

__all__ = ["XMemSession"]


class XMemSession(SessionBase):
    """Propagates objects through one video; see ``XMemPropagator``.

    Each run begins with an empty memory. Besides the prompts, it holds that memory and one
    frame.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        network: The prepared network, which is not changed.
        memory: Sizes of the memories.
        size: Length of the frames' shorter side as the network sees them; -1 for the
            source's own.
    """

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

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame; see ``SessionBase.propagate``.

        On its own frame a prompt's mask is yielded as it was given.

        Raises:
            PropagationError: If the device runs out of memory.
        """
        network = self._network
        assert network is not None, "an open session has its network"
        device = next(network.parameters()).device
        with torch_defaults():
            geometry = FrameGeometry(
                self.video.size, self._size, device=device, dtype=network.dtype
            )
        tracker = Tracker(network, self._memory)
        numbers: dict[int, int] = {}
        for index, frame in frames:
            given = self.masks_on(index)
            for object_id in sorted(given):
                numbers.setdefault(object_id, len(numbers))
            try:
                with torch_defaults():
                    is_last = index == frames.last
                    masks = _step(tracker, geometry, numbers, frame, given, last=is_last)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise _out_of_memory(index, len(numbers), device) from error
            yield index, masks


def _step(
    tracker: Tracker,
    geometry: FrameGeometry,
    numbers: dict[int, int],
    frame: Frame,
    given: dict[int, BoolArray],
    *,
    last: bool,
) -> dict[int, BoolArray]:
    """Return the masks of all objects on the next frame."""
    probabilities = tracker.step(
        geometry.image(frame),
        {numbers[object_id]: geometry.mask(mask) for object_id, mask in given.items()},
        last=last,
    )
    found = geometry.masks(probabilities)
    masks = {object_id: found[number] for object_id, number in numbers.items()}
    for object_id, mask in masks.items():
        if object_id in given:
            continue
        for other in given.values():
            # Resizing must not take pixels from the given mask of another object.
            mask &= ~other
    return masks | given


def _out_of_memory(frame: int, num_objects: int, device: torch.device) -> PropagationError:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return PropagationError(
        f"{device} ran out of memory on frame {frame} with {num_objects} objects; masks "
        "yielded so far are valid. Use precision='bfloat16', a smaller size, a smaller "
        "max_working_frames, or fewer objects at a time with max_objects_per_pass"
    )
