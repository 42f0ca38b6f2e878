"""Cutie's memory of one run: places and values, and what is remembered of whole objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from videoseg_xmem.memory import (
    EncodedKeys,
    KeyFrame,
    MemoryBank,
    ObjectGroup,
    ValueFrame,
    choose_prototypes,
)

from videoseg_cutie.options import MemoryOptions

__all__ = ["Memory", "ObjectMemory"]


class Memory(MemoryBank):
    """Working, long-term and permanent memory of all objects of one run.

    Objects that came on the same frame share a group, which has its own frames, prototypes and
    counts of use. The first frame of a group is permanent.

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

    @property
    def group_sizes(self) -> list[int]:
        """How many objects each group has, in the order in which the groups came."""
        return [len(group.objects) for group in self._groups]

    @property
    def num_frames(self) -> list[int]:
        """How many frames are in the working memory of each group."""
        return [len(group.frames) for group in self._groups]

    @property
    def num_prototypes(self) -> list[int]:
        """How many prototypes are in the long-term memory of each group."""
        return [group.long.size for group in self._groups]

    def add(self, frame: EncodedKeys, values: Tensor, *, permanently: bool = False) -> None:
        """Remember a frame; where the working memory is full then, consolidate it.

        Args:
            frame: The encoded frame.
            values: Values of all objects, shape (N, C^v, h, w). Those of objects that came
                later than others come after theirs.
            permanently: Whether it stays until the end of the run for all objects.
        """
        keys = self._take_keys(frame)
        if len(values) > self.num_objects:
            self._add_group(values, keys, self._new_long_term(keys))
        for group in self._groups:
            self._remember(group, keys, values, permanently=permanently)
        self._arrange()

    def read(self, frame: EncodedKeys) -> list[Tensor]:
        """Return what the memory says about a frame, for each group (n, C^v, h, w)."""
        return self._read_groups(frame)

    def remove(self, objects: Sequence[int]) -> None:
        """Forget objects; the numbers of all later ones move up."""
        gone = set(objects)
        first = 0
        for group in self._groups:
            kept = [number for number in group.objects if number not in gone]
            if len(kept) < len(group.objects) and kept:
                group.retain_objects(kept)
            group.objects = list(range(first, first + len(kept)))
            first += len(kept)
        self._groups = [group for group in self._groups if group.objects]
        self._arrange()

    def _counts_use(self, group: ObjectGroup) -> bool:  # noqa: ARG002 - the same for each
        return self._options.long_term_elements > 0

    def _remember(
        self, group: ObjectGroup, keys: KeyFrame, values: Tensor, *, permanently: bool
    ) -> None:
        options = self._options
        permanently = permanently or not group.frames
        # The first frame is one of the frames that the options count; other permanent ones are
        # not.
        most = options.max_working_frames - 1
        if not (options.long_term_elements or permanently):
            passing = _passing(group)
            group.forget(passing[: max(0, len(passing) + 1 - most)])
            if most == 0:
                return
        group.remember(keys, values, permanently=permanently)
        passing = _passing(group)
        if options.long_term_elements and len(passing) >= most:
            self._consolidate(group, passing[: len(passing) + 1 - options.min_working_frames])

    def _consolidate(self, group: ObjectGroup, leaving: list[ValueFrame]) -> None:
        """Move what a group has used most from its working to its long-term memory."""
        options = self._options
        room = options.long_term_elements - options.prototypes
        if group.long.size >= room:
            kept = group.long.most_used(room - options.long_term_buffer)
            if kept is not None:
                group.long.retain(kept)
                group.retain_prototypes(kept)
        prototypes = choose_prototypes(leaving, options.prototypes)
        values, known = prototypes.value(group.values_of(leaving), 0)
        group.long.add(prototypes.key, prototypes.shrinkage)
        group.add_prototypes(values, known)
        group.forget(leaving)


def _passing(group: ObjectGroup) -> list[ValueFrame]:
    """Return the frames of a group that do not stay for ever, the oldest first."""
    return [frame for frame in group.frames if not frame.is_permanent]


class ObjectMemory:
    """A few vectors that stand for each object, added up over all remembered frames."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None

    def add(self, summaries: Tensor) -> None:
        """Add what a frame says of all objects, shape (N, Q, C + 1); later ones come last."""
        if self._sums is None:
            self._sums = summaries
            return
        known = len(self._sums)
        self._sums = torch.cat([self._sums + summaries[:known], summaries[known:]])

    def of(self, objects: slice) -> Tensor:
        """Return what is remembered of some objects, shape (n, Q, C + 1)."""
        assert self._sums is not None, "an object is remembered before it is read"
        return self._sums[objects]

    def retain(self, kept: Sequence[int]) -> None:
        """Forget all other objects than these; the numbers of later ones move up."""
        if self._sums is not None:
            self._sums = self._sums[list(kept)]
