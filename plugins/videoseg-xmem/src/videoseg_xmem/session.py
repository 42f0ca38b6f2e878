"""One propagation over one video."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import NoReturn

import torch

import videoseg as vs
from videoseg.devices import is_out_of_memory, torch_defaults
from videoseg.stages import Direction
from videoseg.types import BoolArray, Frame
from videoseg_xmem.geometry import FrameGeometry
from videoseg_xmem.network import XMemNetwork
from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.prompts import check_prompt
from videoseg_xmem.tracker import Tracker

__all__ = ["XMemSession"]


class XMemSession:
    """Carries objects through one video; see ``XMemPropagator``.

    Each run begins with an empty memory. Besides the prompts, it holds that memory and one
    frame.

    Args:
        video: The video.
        network: The prepared network, which is not changed.
        memory: Sizes of the memories.
        size: Length of the frames' shorter side as the network sees them; -1 for the
            source's own.
        max_objects: How many objects there may be; None for no limit.
    """

    def __init__(
        self,
        video: vs.VideoSource,
        network: XMemNetwork,
        memory: MemoryOptions,
        *,
        size: int,
        max_objects: int | None = None,
    ) -> None:
        self._video = video
        self._network: XMemNetwork | None = network
        self._memory = memory
        self._size = size
        self._max_objects = max_objects
        self._prompts: dict[int, dict[int, vs.Prompt]] = {}

    def prompt(self, prompt: vs.Prompt) -> None:
        """Say where one object is on one frame. Allowed at any time before ``close``.

        A prompt for a frame that a run under way has not reached takes effect there, one for
        an earlier frame in the next run. Another prompt for an object that is being followed
        corrects it from that frame on.

        Raises:
            PropagationError: If the prompt cannot be used; the session is unharmed.
        """
        self._open_network()
        check_prompt(prompt, size=self._video.size, num_frames=self._video.num_frames)
        if prompt.object_id in self._prompts.get(prompt.frame, {}):
            raise vs.PropagationError(
                f"object {prompt.object_id} already has a prompt on frame {prompt.frame}; "
                "give one mask for each object on a frame"
            )
        known = {object_id for prompts in self._prompts.values() for object_id in prompts}
        if self._max_objects is not None and len(known | {prompt.object_id}) > self._max_objects:
            raise vs.PropagationError(
                f"object {prompt.object_id} is one too many: a pass holds at most "
                f"{self._max_objects} (max_objects_per_pass); open another session for it"
            )
        self._prompts.setdefault(prompt.frame, {})[prompt.object_id] = prompt

    def run(
        self, direction: Direction = "forward", *, stop: int | None = None
    ) -> Iterator[vs.FrameMasks]:
        """Yield masks frame by frame, releasing each as soon as it is yielded.

        On its own frame a prompt's mask is yielded as it was given.

        Args:
            direction: ``forward`` from the earliest prompted frame, or ``backward`` from the
                latest.
            stop: Forward: the frame to stop before. Backward: the last frame to yield.

        Raises:
            PropagationError: If nothing was prompted, the session is closed, direction or
                stop is not allowed, or the device runs out of memory.
        """
        self._open_network()
        if direction not in ("forward", "backward"):
            raise vs.PropagationError(f"direction must be forward or backward, got {direction!r}")
        if not self._prompts:
            raise vs.PropagationError(
                "nothing to propagate: prompt at least one object before run"
            )
        if stop is not None and stop < 0:
            raise vs.PropagationError(f"stop must be a frame index of at least 0, got {stop}")
        if direction == "backward":
            last: int | None = stop or 0
            frames = self._video.iter_frames(last or 0, max(self._prompts) + 1, reverse=True)
        else:
            ends = [end for end in (stop, self._video.num_frames) if end is not None]
            last = min(ends) - 1 if ends else None
            frames = self._video.iter_frames(
                min(self._prompts), None if last is None else last + 1
            )
        return self._propagate(frames, last)

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError."""
        self._network = None
        self._prompts.clear()

    def __reduce__(self) -> NoReturn:
        raise vs.PropagationError(
            "a session is bound to the process that opened it and cannot be copied or sent; send "
            "the propagator and open one there"
        )

    def __enter__(self) -> XMemSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open_network(self) -> XMemNetwork:
        if self._network is None:
            raise vs.PropagationError("this session is closed; open a new one on the propagator")
        return self._network

    def _propagate(
        self, frames: Iterator[tuple[int, Frame]], last: int | None
    ) -> Iterator[vs.FrameMasks]:
        network = self._open_network()
        device = next(network.parameters()).device
        with torch_defaults():
            geometry = FrameGeometry(
                self._video.size, self._size, device=device, dtype=network.dtype
            )
        tracker = Tracker(network, self._memory)
        numbers: dict[int, int] = {}
        for index, frame in frames:
            self._open_network()
            given = {
                object_id: prompt.mask.decode()
                for object_id, prompt in self._prompts.get(index, {}).items()
                if prompt.mask is not None
            }
            for object_id in sorted(given):
                numbers.setdefault(object_id, len(numbers))
            try:
                with torch_defaults():
                    masks = _step(tracker, geometry, numbers, frame, given, last=index == last)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise _out_of_memory(index, len(numbers), device) from error
            yield vs.FrameMasks(index, masks, self._video.size)


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
            # Resizing must not give away pixels that were said to be another object's.
            mask &= ~other
    return masks | given


def _out_of_memory(frame: int, num_objects: int, device: torch.device) -> vs.PropagationError:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return vs.PropagationError(
        f"{device} ran out of memory on frame {frame} with {num_objects} objects; masks "
        "yielded so far are good. Use precision='bfloat16', a smaller size, a smaller "
        "max_working_frames, or fewer objects at a time with max_objects_per_pass"
    )
