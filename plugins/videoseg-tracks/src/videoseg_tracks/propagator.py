"""The propagator ``given-masks``: repeats the masks that it was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from videoseg import Prompt
from videoseg.propagation import FrameRun, SessionBase
from videoseg.types import BoolArray, PropagatorCapabilities, VideoSource
from videoseg_tracks.plugin import GIVEN_MASKS

__all__ = ["GivenMasksPropagator", "GivenMasksSession"]


class GivenMasksPropagator:
    """Shows each mask on the frame that it was given for, and nothing on the others.

    For groundings that carry the masks of all frames, such as those of the grounder
    ``track-then-choose``: what was computed to find the answer is not computed again. After any
    other grounder it leaves all frames but the keyframe without a mask, and a warning says so.
    """

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""
        return GIVEN_MASKS

    def open(self, video: VideoSource, *, seed: int = 0) -> GivenMasksSession:  # noqa: ARG002
        """Begin a propagation over one video.

        Args:
            video: The video. Its frames are decoded, but not looked at.
            seed: Accepted for the contract; nothing here is random.
        """
        return GivenMasksSession(video, GIVEN_MASKS)


class GivenMasksSession(SessionBase):
    """A session of ``GivenMasksPropagator``."""

    def __init__(self, video: VideoSource, capabilities: PropagatorCapabilities) -> None:
        super().__init__(video, capabilities)
        self._num_given: dict[int, int] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """That frames are empty since masks were given for no more than one, if that is so."""
        if len(self.video) < 2 or not self._num_given or max(self._num_given.values()) > 1:
            return ()
        return (
            "given-masks: each object was given with a mask on one frame only, and the others are "
            "empty; if it is visible on them, use a propagator that follows it, such as flow",
        )

    def prompt(self, prompt: Prompt) -> None:
        """Take the mask of one object on one frame; see ``PropagatorSession.prompt``."""
        super().prompt(prompt)
        self._num_given[prompt.object_id] = self._num_given.get(prompt.object_id, 0) + 1

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the given masks of each frame; see ``SessionBase.propagate``."""
        nowhere: BoolArray = np.zeros(self.video.size, dtype=bool)
        reached: dict[int, BoolArray] = {}
        for index, _ in frames:
            given = self.masks_on(index)
            reached |= dict.fromkeys(given, nowhere)
            yield index, {**reached, **given}
