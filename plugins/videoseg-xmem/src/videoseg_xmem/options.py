"""Sizes of XMem's memories, and when they are updated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["LateObjects", "MemoryOptions"]

LateObjects: TypeAlias = Literal["released", "aligned"]


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """The sizes of the three memories; the defaults are the published settings.

    Args:
        mem_every: Number of frames from one that is added to the working memory to the next.
        top_k: Number of places in memory that each place of a new frame reads from.
        min_working_frames: Frames that stay in the working memory when it is consolidated.
        max_working_frames: Frames at which it is consolidated.
        prototypes: Places of the frames that leave which move to the long-term memory.
        long_term_elements: Places the long-term memory holds; 0 for none.
        late_objects: How values of an object that came late are read after consolidation:
            ``released`` pairs them with keys as the released implementation does, ``aligned``
            reads each with the key of its own place. Without late objects both are the same.
    """

    mem_every: int = 5
    top_k: int = 30
    min_working_frames: int = 5
    max_working_frames: int = 10
    prototypes: int = 128
    long_term_elements: int = 10_000
    late_objects: LateObjects = "released"

    def problems(self) -> list[str]:
        """Return what is wrong with these sizes together, one sentence for each."""
        found = []
        if self.max_working_frames <= self.min_working_frames:
            found.append(
                "max_working_frames must be greater than min_working_frames, got "
                f"{self.max_working_frames} and {self.min_working_frames}"
            )
        if self.long_term_elements != 0 and self.long_term_elements < self.prototypes:
            found.append(
                "long_term_elements must be 0 or at least prototypes, got "
                f"{self.long_term_elements} and {self.prototypes}"
            )
        return found
