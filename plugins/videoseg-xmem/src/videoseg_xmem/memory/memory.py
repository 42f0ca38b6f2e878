"""XMem's memory of one run: adding frames, reading, and consolidation."""

from __future__ import annotations

import torch
from torch import Tensor

from videoseg_xmem.memory.bank import EncodedKeys, MemoryBank
from videoseg_xmem.memory.keys import LongTermKeys
from videoseg_xmem.memory.values import ObjectGroup, Prototypes, ValueFrame, choose_prototypes
from videoseg_xmem.options import MemoryOptions

__all__ = ["Memory"]


class Memory(MemoryBank):
    """Working memory and long-term memory of all objects of one run.

    All groups share the prototypes, which are chosen by what the first group reads.

    Args:
        options: Sizes.
    """

    def __init__(self, options: MemoryOptions) -> None:
        super().__init__(
            top_k=options.top_k,
            num_frames=options.max_working_frames,
            capacity=options.long_term_elements,
        )
        self._options = options
        self._long: LongTermKeys

    @property
    def num_frames(self) -> int:
        """How many frames are in the working memory."""
        return len(self._groups[0].frames) if self._groups else 0

    @property
    def num_prototypes(self) -> int:
        """How many prototypes are in the long-term memory."""
        return self._long.size if self._groups else 0

    def add(self, frame: EncodedKeys, values: Tensor) -> None:
        """Remember a frame; if the working memory is full then, consolidate it.

        Args:
            frame: The encoded frame.
            values: Values of all objects, shape (N, C^v, h, w). Those of objects that came
                later than others come after theirs.
        """
        keys = self._take_keys(frame)
        if not self._groups:
            self._long = self._new_long_term(keys)
        if len(values) > self.num_objects:
            self._add_group(values, keys, self._long)
        for group in self._groups:
            group.remember(keys, values)
        if self.num_frames >= self._options.max_working_frames:
            self._consolidate()
        self._arrange()

    def read(self, frame: EncodedKeys) -> Tensor:
        """Return what the memory says about a frame, shape (N, C^v, h, w).

        Counts how much each place was read.
        """
        readings = self._read_groups(frame)
        return readings[0] if len(readings) == 1 else torch.cat(readings)

    def _counts_use(self, group: ObjectGroup) -> bool:
        return group is self._groups[0]

    # -- consolidating ---------------------------------------------------------------------

    def _consolidate(self) -> None:
        """Move what is used most from the working to the long-term memory.

        The first frame of a group and the latest frames stay.
        """
        options = self._options
        num_frames = self.num_frames
        leaving = self._frames_to_consolidate(self._groups[0])
        prototypes = None
        if options.long_term_elements:
            self._evict(options.long_term_elements - options.prototypes)
            prototypes = choose_prototypes(leaving, options.prototypes)
            self._long.add(prototypes.key, prototypes.shrinkage)
        places = len(self._key_frames[0].key)
        for group in self._groups:
            ours = self._frames_to_consolidate(group)
            if prototypes is None:
                pass
            elif not ours or not self._consolidates(group, num_frames):
                group.skip_prototypes(len(prototypes.key))
            else:
                first = (len(leaving) - len(ours)) * places
                self._add_prototypes(group, prototypes, ours, first)
            group.forget(ours)
        self._repair()

    def _frames_to_consolidate(self, group: ObjectGroup) -> list[ValueFrame]:
        return group.frames[1 : max(1, len(group.frames) - self._options.min_working_frames + 1)]

    def _consolidates(self, group: ObjectGroup, num_frames: int) -> bool:
        """Whether what leaves a group's working memory goes on in its long-term memory."""
        if self._options.late_objects == "aligned":
            return True
        # The released implementation drops the one frame that leaves here.
        late = len(group.frames) < num_frames
        return not late or len(group.frames) > self._options.min_working_frames + 1

    def _add_prototypes(
        self, group: ObjectGroup, prototypes: Prototypes, frames: list[ValueFrame], first: int
    ) -> None:
        values, known = prototypes.value(group.values_of(frames), first)
        if self._options.late_objects == "released":
            # It counts values from the end, so they meet the last keys, not their own.
            num_known = int(known.sum())
            known = torch.arange(len(known), device=known.device) >= len(known) - num_known
        group.add_prototypes(values, known)

    def _repair(self) -> None:
        """Pair the values of late objects with keys as the released implementation does."""
        if self._options.late_objects == "released":
            keys = [frame.keys for frame in self._groups[0].frames]
            for group in self._groups[1:]:
                for frame, paired in zip(group.frames, keys[-len(group.frames) :], strict=True):
                    frame.keys = paired

    def _evict(self, room_for: int) -> None:
        if self._long.size < room_for:
            return
        kept = self._long.without_least_used(room_for)
        if kept is not None:
            self._long.retain(kept)
            for group in self._groups:
                group.retain_prototypes(kept)
