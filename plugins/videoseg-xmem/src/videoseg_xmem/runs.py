"""A propagation over one video by a network that goes frame by frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor

from videoseg.devices import is_out_of_memory, torch_defaults
from videoseg.errors import PropagationError
from videoseg.propagation import FrameRun, SessionBase
from videoseg.types import BoolArray, Frame
from videoseg_xmem.geometry import FrameGeometry

__all__ = ["MaskTracker", "TrackerSession"]


class MaskTracker(Protocol):
    """The state of one run."""

    def step(self, image: Tensor, given: Mapping[int, Tensor], *, last: bool = False) -> Tensor:
        """Segment the next frame.

        Args:
            image: The frame, normalized and padded, shape (1, 3, H, W).
            given: Masks of objects known on this frame, shape (H, W) each, used unchanged, by
                the number of the object: from 0 on in the order in which objects come. The
                first frame needs one; a new number is a new object.
            last: Whether this is the last frame, so that the memory need not be updated.

        Returns:
            Probability of the background and of each object, shape (1 + N, H, W), float32.
        """


class TrackerSession(SessionBase):
    """Propagates objects through one video; each run begins with a new tracker.

    Besides the prompts, it holds what the tracker holds, and one frame.

    Attributes:
        savings: Options that would need less memory, for messages.
    """

    savings: str

    @abstractmethod
    def begin(self) -> tuple[MaskTracker, FrameGeometry]:
        """Return a tracker without memories, and the geometry of its frames."""

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame; see ``SessionBase.propagate``.

        On its own frame a prompt's mask is yielded as it was given.

        Raises:
            PropagationError: If the device runs out of memory.
        """
        with torch_defaults():
            tracker, geometry = self.begin()
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
                raise self._out_of_memory(index, len(numbers), geometry.device) from error
            yield index, masks

    def _out_of_memory(
        self, frame: int, num_objects: int, device: torch.device
    ) -> PropagationError:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return PropagationError(
            f"{device} ran out of memory on frame {frame} with {num_objects} objects; masks "
            f"yielded so far are valid. Use {self.savings}, or fewer objects at a time with "
            "max_objects_per_pass"
        )


def _step(
    tracker: MaskTracker,
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
