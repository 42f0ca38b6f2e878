"""Simpler ways to find the target frame, which the paper compares its sampler with (Table 5).

The table's first row is the built-in sampler ``first``.
"""

from __future__ import annotations

import random
from typing import ClassVar

from videoseg import VideoSource, Window
from videoseg_r1.htfs import Aimed, HierarchicalSampler, Narrowed
from videoseg_r1.localising import ask_timestamp

__all__ = ["DirectSampler", "SegmentRandomSampler", "TimestampSampler"]


class DirectSampler(HierarchicalSampler):
    """Asks for the target frame on the whole window, without a key segment (row 2).

    Options as for ``htfs``; those of the coarse phase have no effect.
    """

    def _narrow(
        self,
        video: VideoSource,  # noqa: ARG002 - as its parent has it
        query: str,  # noqa: ARG002
        window: Window,
        seed: int,  # noqa: ARG002
    ) -> Narrowed:
        return Narrowed(window)


class SegmentRandomSampler(HierarchicalSampler):
    """Asks for the key segment, then takes a frame of it at random (row 3).

    Options as for ``htfs``; those of the fine phase have no effect.
    """

    def _aim(
        self,
        video: VideoSource,  # noqa: ARG002 - as its parent has it
        query: str,  # noqa: ARG002
        segment: Window,  # noqa: ARG002
        seed: int,
    ) -> Aimed:
        return Aimed(random.Random(seed).random(), "drawn at random")


class TimestampSampler(DirectSampler):
    """Asks for the time of the target frame in one call, as Veason-R1 does.

    Options as for ``htfs``; those of the coarse phase have no effect.
    """

    _aim_prompt: ClassVar[str] = "timestamp"

    def _aim(self, video: VideoSource, query: str, segment: Window, seed: int) -> Aimed:
        if len(segment) == 1:
            return Aimed(0.0, "the only one")
        answer = ask_timestamp(self._asking_positions, video, query, segment, seed=seed)
        if answer.position is None:
            warning = f"no answer named a time{answer.why_unusable}; the middle frame is taken"
            return Aimed(0.5, "the middle", None, answer.record, (warning,))
        return Aimed(answer.position, "at the time named", answer.confidence, answer.record)
