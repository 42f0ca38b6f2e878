"""Sizes of Cutie's memories, and when they are updated."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MemoryOptions"]


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """The sizes of the memories; the defaults are those of the released demo.

    Args:
        mem_every: Number of frames from one that is added to the working memory to the next.
        top_k: Number of places in memory that each place of a new frame reads from; None for
            all.
        min_working_frames: Frames that stay in the working memory when it is consolidated.
        max_working_frames: Frames at which it is consolidated. Without long-term memory, frames
            that it holds.
        prototypes: Places of the frames that leave which move to the long-term memory.
        long_term_elements: Places the long-term memory holds; 0 for none.
        long_term_buffer: Places that are emptied besides those needed when it is full.
        sensory_updates: On how many of the ``mem_every`` frames after one that was remembered
            the sensory memory is updated, spread evenly.
        permanent_prompts: Whether every frame with a prompt stays in the working memory, which
            then grows with the prompts, or only the first frame of each object.
        chunk_size: Number of objects that are read and decoded at a time; None for all. Objects
            of different chunks meet only where they compete for pixels.
    """

    mem_every: int = 5
    top_k: int | None = 30
    min_working_frames: int = 5
    max_working_frames: int = 10
    prototypes: int = 128
    long_term_elements: int = 10_000
    long_term_buffer: int = 2_000
    sensory_updates: int = 5
    permanent_prompts: bool = False
    chunk_size: int | None = None

    @property
    def sensory_times(self) -> frozenset[int]:
        """How many frames after one that was remembered the sensory memory is updated."""
        count = self.sensory_updates
        if count >= self.mem_every:
            return frozenset(range(1, self.mem_every + 1))
        # Rounded half to even, as numpy does in the released implementation.
        gaps = max(count - 1, 1)
        return frozenset(round(1 + (self.mem_every - 1) * i / gaps) for i in range(count))

    def problems(self) -> list[str]:
        """Return what is wrong with these sizes together, one sentence for each."""
        found: list[str] = []
        if not self.long_term_elements:
            return found
        if self.max_working_frames <= self.min_working_frames:
            found.append(
                "max_working_frames must be greater than min_working_frames, got "
                f"{self.max_working_frames} and {self.min_working_frames}"
            )
        needed = self.prototypes + self.long_term_buffer
        if self.long_term_elements < needed:
            found.append(
                "long_term_elements must be 0 or at least prototypes and long_term_buffer "
                f"together, got {self.long_term_elements} and {needed}"
            )
        return found
