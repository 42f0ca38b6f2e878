"""XMem frame by frame: encode, read the memory, decode, add to the memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from videoseg_xmem.competition import aggregate, merge_given
from videoseg_xmem.memory import Memory
from videoseg_xmem.network import EncodedFrame, XMemNetwork
from videoseg_xmem.options import MemoryOptions

__all__ = ["Tracker"]


class Tracker:
    """The state of one run: the three memories.

    Objects are numbered from 0 in the order in which they come.

    Args:
        network: The prepared network.
        options: Sizes of the memories.
    """

    def __init__(self, network: XMemNetwork, options: MemoryOptions) -> None:
        self._network = network
        self._options = options
        self._sensory: Tensor | None = None
        self._time = -1
        self._remembered = 0
        self.memory = Memory(options)
        self.num_objects = 0

    @torch.inference_mode()
    def step(self, image: Tensor, given: Mapping[int, Tensor], *, last: bool = False) -> Tensor:
        """Segment the next frame.

        Args:
            image: The frame, normalized and padded, shape (1, 3, H, W).
            given: Masks of objects known on this frame, shape (H, W) each, used unchanged. The
                first frame needs one; a new number is a new object.
            last: Whether this is the last frame, so that the memory need not be updated.

        Returns:
            Probability of the background and of each object, shape (1 + N, H, W), float32.
        """
        self._time += 1
        due = self._time - self._remembered >= self._options.mem_every
        remember = (due or bool(given)) and not last
        before = self.num_objects
        self.num_objects = max([before, *(number + 1 for number in given)])
        frame = self._network.encode_key(image)
        predicted = None
        if self._time > 0 and len(given) < self.num_objects:
            # The deep update of a remembered frame takes the place of the usual one.
            predicted = self._segment(frame, update=not (remember or last))
        if predicted is None or given:
            probabilities = aggregate(merge_given(predicted, given, self.num_objects))
        else:
            probabilities = predicted
        self._admit(self.num_objects - before, frame)
        if remember:
            self._remember(image, frame, probabilities[1:])
        return probabilities

    def _segment(self, frame: EncodedFrame, *, update: bool) -> Tensor:
        readout = self.memory.read(frame)
        logits, sensory = self._network.segment(
            frame.features, readout, self._sensory, update=update
        )
        if update:
            self._sensory = sensory
        return aggregate(torch.sigmoid(logits))

    def _admit(self, num_new: int, frame: EncodedFrame) -> None:
        """Give new objects an empty sensory memory."""
        channels = self._network.dimensions.sensory
        if num_new == 0 or channels == 0:
            return
        f16 = frame.features[0]
        new = f16.new_zeros(num_new, channels, *f16.shape[-2:])
        self._sensory = new if self._sensory is None else torch.cat([self._sensory, new])

    def _remember(self, image: Tensor, frame: EncodedFrame, masks: Tensor) -> None:
        values, self._sensory = self._network.encode_value(
            image, frame.features[0], masks, self._sensory
        )
        self.memory.add(frame, values)
        self._remembered = self._time
