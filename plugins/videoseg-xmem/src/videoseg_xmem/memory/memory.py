"""The memory of one run: adding frames, reading, and consolidation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from videoseg_xmem.memory.keys import (
    KeyFrame,
    KeyFramePool,
    LongTermKeys,
    query_rows,
    top_k_softmax,
)
from videoseg_xmem.memory.values import ObjectGroup, Prototypes, ValueFrame, choose_prototypes
from videoseg_xmem.network.network import EncodedFrame
from videoseg_xmem.options import MemoryOptions

__all__ = ["Memory"]

# Similarities that exist at one time, at most: 32 MiB of them.
_CHUNK = 8 * 2**20


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a group's values for the places in memory are; see ``ObjectGroup.rows_of``."""

    rows: Tensor
    known: Tensor | None
    num_known: int


class Memory:
    """Working memory and long-term memory of all objects of one run.

    Places are positions at stride 16. Objects that came on the same frame share a group; all
    groups share the keys.

    Args:
        options: Sizes.
    """

    def __init__(self, options: MemoryOptions) -> None:
        self._options = options
        self._groups: list[ObjectGroup] = []
        self._layout: list[_Places] = []
        self._key_frames: list[KeyFrame] = []
        self._pool: KeyFramePool
        self._long: LongTermKeys

    @property
    def num_objects(self) -> int:
        """How many objects there are values of."""
        return sum(len(group.objects) for group in self._groups)

    @property
    def num_frames(self) -> int:
        """How many frames are in the working memory."""
        return len(self._groups[0].frames) if self._groups else 0

    @property
    def num_prototypes(self) -> int:
        """How many prototypes are in the long-term memory."""
        return self._long.size if self._groups else 0

    # -- writing ---------------------------------------------------------------------------

    def add(self, frame: EncodedFrame, values: Tensor) -> None:
        """Remember a frame; if the working memory is full then, consolidate it.

        Args:
            frame: The encoded frame.
            values: Values of all objects, shape (N, C^v, h, w). Those of objects that came
                later than others come after theirs.
        """
        key, shrinkage, selection = (
            part[0].flatten(1).T for part in (frame.key, frame.shrinkage, frame.selection)
        )
        if not self._groups:
            self._pool = KeyFramePool(len(key), key.shape[1], key.device)
            capacity = self._options.long_term_elements
            self._long = LongTermKeys(capacity, key.shape[1], key.device)
        if len(values) > self.num_objects:
            self._groups.append(self._new_group(len(values), values, places=len(key)))
        keys = self._pool.take()
        keys.fill(key, shrinkage[:, 0], selection)
        self._key_frames.append(keys)
        for group in self._groups:
            group.remember(keys, values)
        if self.num_frames >= self._options.max_working_frames:
            self._consolidate()
        self._layout = [_Places(*group.rows_of(self._key_frames)) for group in self._groups]

    def _new_group(self, num_objects: int, like: Tensor, *, places: int) -> ObjectGroup:
        return ObjectGroup(
            list(range(self.num_objects, num_objects)),
            places=places,
            num_frames=self._options.max_working_frames,
            capacity=self._options.long_term_elements,
            prototypes=self._long.size,
            like=like,
        )

    # -- reading ---------------------------------------------------------------------------

    def read(self, frame: EncodedFrame) -> Tensor:
        """Return what the memory says about a frame, shape (N, C^v, h, w).

        Counts how much each place was read. Nothing larger than a chunk of the similarities
        exists at any time.
        """
        height, width = frame.key.shape[-2:]
        query = query_rows(frame.key[0].flatten(1).T, frame.selection[0].flatten(1).T)
        num_places = len(self._layout[0].rows)
        step = max(1, min(len(query), _CHUNK // num_places))
        similarity = query.new_empty(step, num_places)
        usage = query.new_zeros(num_places)
        read: list[list[Tensor]] = [[] for _ in self._groups]
        for start in range(0, len(query), step):
            part = query[start : start + step]
            chunk = self._similarity(part, similarity[: len(part)])
            for number, (group, places) in enumerate(zip(self._groups, self._layout, strict=True)):
                weights, indices = self._affinity(chunk, places)
                read[number].append(_weighted_sum(group.values, places.rows[indices], weights))
                if number == 0:
                    usage += torch.bincount(
                        indices.flatten(), weights.flatten(), minlength=num_places
                    )
        self._count(usage)
        readings = [
            torch.cat(parts).view(height, width, len(group.objects), -1).permute(2, 3, 0, 1)
            for group, parts in zip(self._groups, read, strict=True)
        ]
        return readings[0] if len(readings) == 1 else torch.cat(readings)

    def _similarity(self, query: Tensor, out: Tensor) -> Tensor:
        column = 0
        for frame in self._key_frames:
            torch.mm(query, frame.rows.T, out=out[:, column : column + len(frame.rows)])
            column += len(frame.rows)
        if self._long.size:
            torch.mm(query, self._long.rows.T, out=out[:, column:])
        return out

    def _affinity(self, similarity: Tensor, places: _Places) -> tuple[Tensor, Tensor]:
        if places.known is not None:
            similarity = similarity.masked_fill(~places.known, -torch.inf)
        return top_k_softmax(similarity, min(self._options.top_k, places.num_known))

    def _count(self, usage: Tensor) -> None:
        first = 0
        counted = {id(frame.keys) for frame in self._groups[0].frames}
        for frame in self._key_frames:
            if id(frame) in counted:
                frame.use += usage[first : first + len(frame.use)]
                frame.readings += 1
            first += len(frame.use)
        self._long.count(usage[first:])

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
            prototypes = choose_prototypes([f.keys for f in leaving], options.prototypes)
            self._long.add(prototypes.key, prototypes.shrinkage)
        places = len(self._key_frames[0].use)
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
        self._release()

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

    def _release(self) -> None:
        """Give back key frames that no group reads."""
        read = {id(frame.keys) for group in self._groups for frame in group.frames}
        for frame in self._key_frames:
            if id(frame) not in read:
                self._pool.give_back(frame)
        self._key_frames = [frame for frame in self._key_frames if id(frame) in read]

    def _evict(self, room_for: int) -> None:
        kept = self._long.least_used(room_for) if self._long.size >= room_for else None
        if kept is not None:
            self._long.retain(kept)
            for group in self._groups:
                group.retain_prototypes(kept)


def _weighted_sum(values: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the values in k rows for each query, shape (Q, C)."""
    return functional.embedding_bag(
        rows, values, mode="sum", per_sample_weights=weights.to(values.dtype)
    )
