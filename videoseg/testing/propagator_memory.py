"""Whether a propagator's session stays as small as it was."""

# ruff: noqa: D102 - each test is named for what it asks for

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from typing import ClassVar

from videoseg.stages import Propagator
from videoseg.testing.checks import check
from videoseg.testing.clips import ToyClip, moving_square
from videoseg.testing.rendered import RenderedSource
from videoseg.types import Frame, Prompt, Size

__all__ = ["PropagatorMemoryTests"]


class PropagatorMemoryTests:
    """The part of the contract that says: bounded memory, whatever the video's length.

    Attributes:
        memory_frames: After how many frames memory is compared, and how many frames later.
            A propagator with a larger memory bank needs more to fill it.
        memory_size: The size of the frames used.
    """

    memory_frames: ClassVar[tuple[int, int]] = (40, 80)
    memory_size: ClassVar[Size] = (48, 64)

    def make(self) -> Propagator:
        """Return a new propagator."""
        raise NotImplementedError("give your contract test a make() that returns the propagator")

    def test_memory_does_not_grow_with_the_video(self) -> None:
        filled, later = self.memory_frames
        size = self.memory_size
        # Imports and caches that fill once, be it late in a run, must not be taken for growth.
        self._memory_at(RenderedSource(filled, size=size), ())
        tracemalloc.start()
        try:
            source = RenderedSource(filled + later, size=size)
            before, after = self._memory_at(source, (filled, filled + later - 1))
        finally:
            tracemalloc.stop()
        growth = after - before
        per_frame = growth / later
        # Keeping even one mask as bits would be H * W / 8 bytes for each frame.
        limit = size[0] * size[1] / 16
        check(
            per_frame < limit,
            f"memory grew by {growth:,} bytes over {later} frames ({per_frame:,.0f} for each "
            f"frame of {size}); a session must let go of frames and masks it has yielded",
        )

    def test_a_run_does_not_read_far_ahead(self) -> None:
        source = _Counting(400, size=self.memory_size)
        with self.make().open(source) as session:
            session.prompt(self._prompt(moving_square(24, size=self.memory_size), 1, 0))
            run = iter(session.run())
            for _ in range(5):
                next(run)
            read = source.furthest
        check(
            read < 200,
            f"after 5 frames the session had already read frame {read}; masks must leave a "
            "session as soon as they are made",
        )

    def _memory_at(self, source: RenderedSource, frames: tuple[int, ...]) -> list[int]:
        """Return the memory in use, in bytes, when the run reaches each of these frames."""
        used = []
        clip = moving_square(24, size=source.size)
        with self.make().open(source) as session:
            session.prompt(self._prompt(clip, 1, 0))
            for masks in session.run():
                if masks.frame in frames:
                    gc.collect()
                    used.append(tracemalloc.get_traced_memory()[0])
        return used

    def _prompt(
        self, clip: ToyClip, object_id: int, frame: int, *, moved_to: int | None = None
    ) -> Prompt:
        """Return a prompt of the first kind that the propagator takes."""
        capabilities = self.make().capabilities
        kind = "mask" if capabilities.masks else "box" if capabilities.boxes else "point"
        prompt = clip.prompt(object_id, frame, kind=kind)
        return prompt if moved_to is None else replace(prompt, frame=moved_to)


class _Counting(RenderedSource):
    """Remembers the last frame that was asked for."""

    furthest = 0

    def _painted(self, index: int) -> Frame:
        self.furthest = max(self.furthest, index)
        return super()._painted(index)
