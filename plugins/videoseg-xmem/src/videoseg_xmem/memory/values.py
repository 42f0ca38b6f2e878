"""The values in memory: of objects that came on the same frame, and of prototypes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from videoseg_xmem.memory.keys import KeyFrame, LongTermKeys, close_up, query_rows

__all__ = ["ObjectGroup", "Prototypes", "ValueFrame", "choose_prototypes"]


@dataclass(slots=True, eq=False)
class ValueFrame:
    """One frame's values of a group.

    Args:
        keys: The keys it is read with.
        slot: Where the values are in the group's working memory.
        use: How much each place has been read, shape (places,).
        is_permanent: Whether it stays until the end of the run.
        readings: How often it could have been read.
    """

    keys: KeyFrame
    slot: int
    use: Tensor
    is_permanent: bool = False
    readings: int = 0

    @property
    def usage(self) -> Tensor:
        """Mean reading of each place, shape (places,)."""
        # A frame not read so far has been used 0 times.
        return self.use / max(self.readings, 1)


class ObjectGroup:
    """The values of some objects at the places of the working and the long-term memory.

    Args:
        objects: Which of all objects these are, one after another.
        long: The keys of its prototypes, which other groups may share.
        places: Places of one frame.
        num_frames: How many frames the working memory holds.
        like: A value, for its type and device; C^v is its second axis.
    """

    def __init__(
        self,
        objects: list[int],
        long: LongTermKeys,
        *,
        places: int,
        num_frames: int,
        like: Tensor,
    ) -> None:
        self.objects = objects
        self.long = long
        self.frames: list[ValueFrame] = []
        self._places = places
        self._channels = like.shape[1]
        self._free = list(range(num_frames))
        self._working = num_frames * places
        shape = (self._working + long.capacity, len(objects) * self._channels)
        # Working memory first, then long-term memory. Written to at once, so that a run which
        # does not fit fails on its first frame and not when the long-term memory is full.
        self.values = like.new_zeros(shape)
        self.known = torch.zeros(long.capacity, dtype=torch.bool, device=like.device)
        # There are no values of these objects for prototypes from before they came.
        self._prototypes = long.size

    def remember(self, keys: KeyFrame, values: Tensor, *, permanently: bool = False) -> None:
        """Take in the values of a frame.

        Args:
            keys: The frame's keys.
            values: Values of all objects, shape (N, C^v, h, w).
            permanently: Whether it stays until the end of the run.
        """
        if not self._free:
            self._grow()
        slot = self._free.pop(0)
        first = self.objects[0]
        ours = values[first : first + len(self.objects)]
        shaped = ours.flatten(2).permute(2, 0, 1)  # (places, n, C^v)
        self._slot(slot).view(shaped.shape).copy_(shaped)
        use = torch.zeros(self._places, device=values.device)
        self.frames.append(ValueFrame(keys, slot, use, is_permanent=permanently))

    def forget(self, frames: list[ValueFrame]) -> None:
        """Drop frames from the working memory."""
        for frame in frames:
            self.frames.remove(frame)
            self._free.append(frame.slot)

    def values_of(self, frames: list[ValueFrame]) -> Tensor:
        """Return the values of some frames, shape (len(frames) * places, n * C^v)."""
        return torch.cat([self._slot(frame.slot) for frame in frames])

    def skip_prototypes(self, count: int) -> None:
        """Note that this many prototypes have been added without values of this group."""
        self.known[self._prototypes : self._prototypes + count] = False
        self._prototypes += count

    def add_prototypes(self, values: Tensor, known: Tensor) -> None:
        """Take in values for new prototypes.

        Args:
            values: One row for each that is known, shape (., n * C^v).
            known: Which of the new prototypes have values, shape (P,).
        """
        new = slice(self._prototypes, self._prototypes + len(known))
        self.known[new] = known
        self.values[self._working :][new][known] = values
        self._prototypes = new.stop

    def retain_objects(self, kept: list[int]) -> None:
        """Drop the values of all other objects than these; they keep their numbers."""
        columns = torch.tensor(
            [self.objects.index(number) for number in kept], device=self.values.device
        )
        shaped = self.values.view(len(self.values), len(self.objects), self._channels)
        self.values = shaped[:, columns].flatten(1)
        self.objects = kept

    def retain_prototypes(self, kept: Tensor) -> None:
        """Drop all prototypes other than these."""
        close_up(self.known, kept)
        self._prototypes = close_up(self.values[self._working :], kept)

    def rows_of(self, frames: list[KeyFrame]) -> tuple[Tensor, Tensor | None, int]:
        """Return where the value of each place in memory is.

        Args:
            frames: The key frames in the order in which similarities are computed; the
                prototypes come after them.

        Returns:
            The row of each place's value, which places have one (None if all have), and how
            many have.
        """
        device = self.values.device
        slots = {id(frame.keys): frame.slot for frame in self.frames}
        starts = [slots.get(id(frame), -1) * self._places for frame in frames]
        inside = torch.arange(self._places, device=device)
        rows = [start + inside if start >= 0 else torch.zeros_like(inside) for start in starts]
        rows.append(self._working + torch.arange(self._prototypes, device=device))
        known = self.known[: self._prototypes]
        missing = len(frames) - len(slots)
        num_known = len(slots) * self._places + int(known.sum())
        if missing == 0 and num_known == len(frames) * self._places + self._prototypes:
            return torch.cat(rows), None, num_known
        has = [torch.full_like(inside, start >= 0, dtype=torch.bool) for start in starts]
        return torch.cat(rows), torch.cat([*has, known]), num_known

    def _grow(self) -> None:
        """Make room for one more frame, which only frames that stay for ever ask for."""
        self._free.append(self._working // self._places)
        room = self.values.new_zeros(self._places, self.values.shape[1])
        working, prototypes = self.values[: self._working], self.values[self._working :]
        self.values = torch.cat([working, room, prototypes])
        self._working += self._places

    def _slot(self, slot: int) -> Tensor:
        return self.values[slot * self._places : (slot + 1) * self._places]


@dataclass(frozen=True, slots=True)
class Prototypes:
    """The most used places of some frames.

    Args:
        indices: Their places among all places of the frames, shape (P,).
        similarity: How similar all places are to each of them, shape (M, P).
        key: Shape (P, C^k).
        shrinkage: Shape (P,).
    """

    indices: Tensor
    similarity: Tensor
    key: Tensor
    shrinkage: Tensor

    def value(self, values: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Return the prototypes' values: means of the places' values, weighted by similarity.

        Args:
            values: Values of the places from ``first`` on, shape (M - first, C).
            first: The first place for which there are values.

        Returns:
            One value for each prototype that has one, and which have one, shape (P,).
        """
        known = self.indices >= first
        weights = torch.softmax(self.similarity[first:, known], dim=0)
        return weights.to(values.dtype).T @ values, known


def choose_prototypes(frames: list[ValueFrame], count: int) -> Prototypes:
    """Choose the most used places of some frames as prototypes.

    Args:
        frames: At least one.
        count: How many to choose; all, if there are fewer places.
    """
    usage = torch.cat([frame.usage for frame in frames])
    count = min(count, len(usage))
    indices = torch.topk(usage, count).indices
    keys = [frame.keys for frame in frames]
    key = torch.cat([frame.key for frame in keys])[indices]
    selection = torch.cat([frame.selection for frame in keys])[indices]
    similarity = torch.cat([frame.rows for frame in keys]) @ query_rows(key, selection).T
    shrinkage = torch.cat([frame.shrinkage for frame in keys])
    weights = torch.softmax(similarity, dim=0)
    return Prototypes(indices, similarity, key, weights.T @ shrinkage)
