"""What memories of keys and values have in common: the places in them, and reading.

XMem and Cutie derive their memories from ``MemoryBank`` and say which frames stay, which places
become prototypes and which prototypes make room for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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
from videoseg_xmem.memory.values import ObjectGroup

__all__ = ["EncodedKeys", "MemoryBank"]

# Similarities that exist at one time, at most: 32 MiB of them.
_CHUNK = 8 * 2**20


class EncodedKeys(Protocol):
    """What the memory needs of an encoded frame; h and w are its size at stride 16."""

    @property
    def key(self) -> Tensor:
        """Shape (1, C^k, h, w), float32."""

    @property
    def shrinkage(self) -> Tensor:
        """Shape (1, 1, h, w), float32, at least 1."""

    @property
    def selection(self) -> Tensor:
        """Shape (1, C^k, h, w), float32, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a group's values for the places in memory are; see ``ObjectGroup.rows_of``."""

    rows: Tensor
    known: Tensor | None
    num_known: int


class MemoryBank:
    """The places in memory of one run, and the values of all objects there.

    Places are positions at stride 16. Objects that came on the same frame share a group. All
    groups share the keys of frames, so that a frame's similarities with them are computed once;
    keys of prototypes are shared by groups with the same ``LongTermKeys``.

    Args:
        top_k: Number of places that each place of a new frame reads from; None for all.
        num_frames: How many frames a group's working memory holds.
        capacity: How many prototypes a long-term memory holds.
    """

    def __init__(self, *, top_k: int | None, num_frames: int, capacity: int) -> None:
        self._top_k = top_k
        self._num_frames = num_frames
        self._capacity = capacity
        self._groups: list[ObjectGroup] = []
        self._layout: list[_Places] = []
        self._key_frames: list[KeyFrame] = []
        self._pool: KeyFramePool | None = None

    @property
    def num_objects(self) -> int:
        """How many objects there are values of."""
        return sum(len(group.objects) for group in self._groups)

    # -- for subclasses: writing -----------------------------------------------------------

    def _take_keys(self, frame: EncodedKeys) -> KeyFrame:
        """Take in the keys of a frame."""
        key, shrinkage, selection = (
            part[0].flatten(1).T for part in (frame.key, frame.shrinkage, frame.selection)
        )
        if self._pool is None:
            self._pool = KeyFramePool(len(key), key.shape[1], key.device)
        keys = self._pool.take()
        keys.fill(key, shrinkage[:, 0], selection)
        self._key_frames.append(keys)
        return keys

    def _new_long_term(self, keys: KeyFrame) -> LongTermKeys:
        """Return an empty long-term memory for keys like these."""
        return LongTermKeys(self._capacity, keys.key.shape[1], keys.key.device)

    def _add_group(self, values: Tensor, keys: KeyFrame, long: LongTermKeys) -> None:
        """Make a group of the objects that no group has, given the values of all."""
        self._groups.append(
            ObjectGroup(
                list(range(self.num_objects, len(values))),
                long,
                places=len(keys.key),
                num_frames=self._num_frames,
                like=values,
            )
        )

    def _arrange(self) -> None:
        """Give back key frames that no group reads, and find each place's value."""
        read = {id(frame.keys) for group in self._groups for frame in group.frames}
        for frame in self._key_frames:
            if id(frame) not in read and self._pool is not None:
                self._pool.give_back(frame)
        self._key_frames = [frame for frame in self._key_frames if id(frame) in read]
        self._layout = [_Places(*group.rows_of(self._key_frames)) for group in self._groups]

    # -- for subclasses: reading -----------------------------------------------------------

    def _counts_use(self, group: ObjectGroup) -> bool:
        """Whether it matters how much each place of a group is read."""
        raise NotImplementedError

    def _read_groups(self, frame: EncodedKeys) -> list[Tensor]:
        """Return what the memory says about a frame, for each group (n, C^v, h, w).

        Counts how much each place was read. Nothing larger than a chunk of the similarities
        exists at any time.
        """
        height, width = frame.key.shape[-2:]
        query = query_rows(frame.key[0].flatten(1).T, frame.selection[0].flatten(1).T)
        num_columns = max(len(places.rows) for places in self._layout)
        step = max(1, min(len(query), _CHUNK // num_columns))
        similarity = query.new_empty(step, num_columns)
        usage = [query.new_zeros(len(places.rows)) for places in self._layout]
        read: list[list[Tensor]] = [[] for _ in self._groups]
        for start in range(0, len(query), step):
            part = query[start : start + step]
            chunk = similarity[: len(part)]
            first = self._compare_frames(part, chunk)
            compared: LongTermKeys | None = None
            for number, (group, places) in enumerate(zip(self._groups, self._layout, strict=True)):
                end = first + group.long.size
                if group.long is not compared and group.long.size:
                    torch.mm(part, group.long.rows.T, out=chunk[:, first:end])
                    compared = group.long
                read[number].append(self._read_group(group, places, chunk[:, :end], usage[number]))
        self._count(usage)
        return [
            torch.cat(parts).view(height, width, len(group.objects), -1).permute(2, 3, 0, 1)
            for group, parts in zip(self._groups, read, strict=True)
        ]

    # -- internals -------------------------------------------------------------------------

    def _compare_frames(self, query: Tensor, out: Tensor) -> int:
        """Write similarities with the key frames; return how many columns they take."""
        column = 0
        for frame in self._key_frames:
            torch.mm(query, frame.rows.T, out=out[:, column : column + len(frame.rows)])
            column += len(frame.rows)
        return column

    def _read_group(
        self, group: ObjectGroup, places: _Places, similarity: Tensor, usage: Tensor
    ) -> Tensor:
        """Return a group's values for some places of a frame, (Q, n * C^v)."""
        if places.known is not None:
            similarity = similarity.masked_fill(~places.known, -torch.inf)
        if self._top_k is None:
            weights = torch.softmax(similarity, dim=1)
            if self._counts_use(group):
                usage += weights.sum(dim=0)
            return weights.to(group.values.dtype) @ group.values[places.rows]
        weights, indices = top_k_softmax(similarity, min(self._top_k, places.num_known))
        if self._counts_use(group):
            usage += torch.bincount(indices.flatten(), weights.flatten(), minlength=len(usage))
        return _weighted_sum(group.values, places.rows[indices], weights)

    def _count(self, usage: list[Tensor]) -> None:
        for group, used in zip(self._groups, usage, strict=True):
            if not self._counts_use(group):
                continue
            first = 0
            frames = {id(frame.keys): frame for frame in group.frames}
            for keys in self._key_frames:
                if (frame := frames.get(id(keys))) is not None:
                    frame.use += used[first : first + len(frame.use)]
                    frame.readings += 1
                first += len(keys.key)
            group.long.count(used[first:])


def _weighted_sum(values: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the values in k rows for each query, shape (Q, C)."""
    return functional.embedding_bag(
        rows, values, mode="sum", per_sample_weights=weights.to(values.dtype)
    )
