"""Memories that read the newest frames of those that were found good, by rank."""

from __future__ import annotations

from videoseg_sam2.policy import (
    NUM_POINTERS,
    NUM_SLOTS,
    FrameRecord,
    Held,
    Keeping,
    MemoryBounds,
    MemoryPolicy,
    Recall,
)

__all__ = ["RankedFrames"]


class RankedFrames(MemoryPolicy):
    """The six newest good frames are read as features and the fifteen newest as pointers.

    The frame before counts among them in any case. Subclasses say which frames are good.
    """

    bounds = MemoryBounds(NUM_SLOTS + 1, NUM_POINTERS + 1)

    def __init__(self) -> None:
        super().__init__()
        self._selected: tuple[int, ...] = ()
        self._last: int | None = None

    def is_good(self, record: FrameRecord) -> bool:
        """Return whether a frame is remembered for longer than one step."""
        raise NotImplementedError

    def keep(self, record: FrameRecord) -> Keeping:
        """Return what is remembered of a frame."""
        if self.is_good(record):
            self._selected = (*self._selected, record.step)[-NUM_POINTERS:]
        self._last = record.step
        return "recent"

    def recall(self, step: int) -> Recall:
        """Return what is read on a coming frame."""
        chosen = self._selected
        if self._last == step - 1 and self._last not in chosen:
            chosen = (*chosen, step - 1)
        newest_first = chosen[::-1]
        return Recall(
            features=dict(enumerate(newest_first[:NUM_SLOTS], start=1)),
            pointers=dict(enumerate(newest_first[:NUM_POINTERS], start=1)),
        )

    def held(self) -> Held:
        """Return which frames may yet be recalled."""
        last = set() if self._last is None else {self._last}
        return Held({*self._selected[-NUM_SLOTS:], *last}, {*self._selected, *last})
