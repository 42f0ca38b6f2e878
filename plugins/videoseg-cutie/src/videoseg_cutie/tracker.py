"""Cutie frame by frame: encode, read the memories, decode, add to the memories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from videoseg_xmem.competition import aggregate, merge_given

from videoseg_cutie.memory import Memory, ObjectMemory
from videoseg_cutie.network import CutieNetwork, EncodedFrame
from videoseg_cutie.network.network import others_of, probabilities_of, shares_of
from videoseg_cutie.options import MemoryOptions

__all__ = ["Tracker"]


class Tracker:
    """The state of one run: all memories.

    Objects are numbered from 0 in the order in which they come.

    Args:
        network: The prepared network.
        options: Sizes of the memories.
    """

    def __init__(self, network: CutieNetwork, options: MemoryOptions) -> None:
        self._network = network
        self._options = options
        self._sensory: Tensor | None = None
        self._last: Tensor | None = None
        self._time = -1
        self._remembered = 0
        self._objects = ObjectMemory()
        self.memory = Memory(options)
        self.num_objects = 0

    @torch.inference_mode()
    def step(self, image: Tensor, given: Mapping[int, Tensor], *, last: bool = False) -> Tensor:
        """Segment the next frame.

        Args:
            image: The frame, padded and normalized, shape (1, 3, H, W).
            given: Masks of objects known on this frame, shape (H, W) each, used unchanged. The
                first frame needs one; a new number is a new object.
            last: Whether this is the last frame, so that the memories need not be updated.

        Returns:
            Probability of the background and of each object, shape (1 + N, H, W), float32.
        """
        self._time += 1
        since = self._time - self._remembered
        remember = (since >= self._options.mem_every or bool(given)) and not last
        before = self.num_objects
        self.num_objects = max([before, *(number + 1 for number in given)])
        frame = self._network.encode_frame(image)
        predicted = None
        # Where an object is new, the others are predicted even if their masks are given: this
        # updates their sensory memory.
        if (before and len(given) < self.num_objects) or self.num_objects > before > 0:
            update = since in self._options.sensory_times and not last
            predicted = self._segment(frame, update=update)
        if given:
            probabilities = aggregate(merge_given(predicted, given, self.num_objects))
        elif predicted is not None:
            probabilities = predicted
        else:
            # All objects have been removed.
            return image.new_ones(1, *image.shape[-2:], dtype=torch.float32)
        self._admit(self.num_objects - before, frame)
        self._last = shares_of(probabilities[1:])
        if remember:
            permanently = bool(given) and self._options.permanent_prompts
            self._remember(image, frame, probabilities[1:], permanently=permanently)
        return probabilities

    def remove(self, objects: Sequence[int]) -> None:
        """Forget objects; the numbers of all later ones move up."""
        kept = [number for number in range(self.num_objects) if number not in objects]
        self.memory.remove([number for number in objects if number < self.num_objects])
        self._objects.retain(kept)
        self._sensory = None if self._sensory is None else self._sensory[kept]
        self._last = None if self._last is None else self._last[kept]
        self.num_objects = len(kept)

    def _segment(self, frame: EncodedFrame, *, update: bool) -> Tensor:
        sensory, last = self._state()
        refined = []
        first = 0
        # Objects that came on different frames do not meet before they are decoded.
        for readout in self.memory.read(frame):
            for inside in self._chunks(len(readout)):
                ours = slice(first + inside.start, first + inside.stop)
                refined.append(
                    self._network.refine(
                        frame, readout[inside], sensory[ours], last[ours], self._objects.of(ours)
                    )
                )
            first += len(readout)
        joined = refined[0] if len(refined) == 1 else torch.cat(refined)
        logits, updated = [], []
        for ours in self._chunks(len(joined)):
            found, new = self._network.decode(frame, joined[ours], sensory[ours], update=update)
            logits.append(found)
            updated.append(new)
        if update:
            self._sensory = torch.cat(updated)
        return probabilities_of(torch.cat(logits))

    def _chunks(self, num_objects: int) -> Iterator[slice]:
        size = self._options.chunk_size or num_objects
        for start in range(0, num_objects, size):
            yield slice(start, min(start + size, num_objects))

    def _state(self) -> tuple[Tensor, Tensor]:
        assert self._sensory is not None and self._last is not None, "an object is known"
        return self._sensory, self._last

    def _admit(self, num_new: int, frame: EncodedFrame) -> None:
        """Give new objects an empty sensory memory."""
        if num_new == 0:
            return
        height, width = frame.pixels.shape[-2:]
        # In float32 whatever the network computes in: small changes add up over a video.
        new = torch.zeros(
            num_new, self._network.dimensions.sensory, height, width, device=frame.pixels.device
        )
        self._sensory = new if self._sensory is None else torch.cat([self._sensory, new])

    def _remember(
        self, image: Tensor, frame: EncodedFrame, masks: Tensor, *, permanently: bool
    ) -> None:
        sensory, _ = self._state()
        others = others_of(masks)
        parts = [
            self._network.encode_masks(image, frame, masks[ours], others[ours], sensory[ours])
            for ours in self._chunks(len(masks))
        ]
        values, self._sensory, summaries = (
            torch.cat(column) for column in zip(*parts, strict=True)
        )
        self._objects.add(summaries)
        self.memory.add(frame, values, permanently=permanently)
        self._remembered = self._time
