"""The propagator ``flow``: masks follow optical flow, color and motion. No weights."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from videoseg.plugins import PositiveInt, checked_options
from videoseg.stages import Segmenter
from videoseg.types import PropagatorCapabilities, VideoSource
from videoseg_attributes.propagation.cues import CueWindow
from videoseg_attributes.propagation.session import FlowSession
from videoseg_attributes.vision.optical_flow import FlowPreset

__all__ = ["FlowPropagator"]

_MAX_LOOKAHEAD = 64  # frames; bounds the memory of a session


class FlowPropagator:
    """Propagates masks through a video with optical flow, color and motion, on a CPU.

    Objects and background compete for every pixel with what they look like, how they move
    and where they were. In the hard cases:

    * A still object is held by its place and colors; the motion cue fades by itself.
    * An object that is occluded or leaves the frame gets an empty mask. It is found again
      where enough of its colors reappear within reach of where it was last seen.
    * After a cut between shots an object continues only where its colors are clearly found
      again; until then its mask is empty.
    * A prompt for the same object on another frame corrects it from that frame on.

    Results are deterministic: they depend on video, prompts and options alone.

    Args:
        flow_scale: Frames are shrunk by this before flow is measured; None picks a scale by
            the frame's size and the preset: half for 854x480 and ``fine``, none for the others.
        preset: How flow is searched. ``balanced`` and ``medium`` are slower than ``fine`` and
            no more accurate, ``fast`` and ``ultrafast`` faster and less accurate.
        lookahead: Future frames that steady the motion cue. They delay the first mask and
            bound the session's memory.
        causal: Never look at a future frame. Live sources are always treated so.
        follow: Look at a part of the frame that follows the objects, for small objects in
            large frames: masks of more detail, in less time. Where an object is lost, it is
            searched for in the whole frame. Objects that take up much of the frame, or move
            by more than some 2 % of its width with every frame, are propagated as without it.
        max_objects_per_pass: Refuse more objects than this; None for no limit.
        segmenter: Turns boxes and points into masks; None for ``cut``.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> FlowPropagator(lookahead=3).capabilities.corrections
        True
    """

    @checked_options("propagator 'flow'")
    def __init__(
        self,
        *,
        flow_scale: Annotated[float, Interval(gt=0, le=1)] | None = None,
        preset: FlowPreset = "fine",
        lookahead: Annotated[int, Interval(ge=0, le=_MAX_LOOKAHEAD)] = 5,
        causal: bool = False,
        follow: bool = False,
        max_objects_per_pass: PositiveInt | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self._window = CueWindow(0 if causal else lookahead, flow_scale, preset)
        self._follow = follow
        self._max_objects = max_objects_per_pass
        self._segmenter = segmenter

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""
        return PropagatorCapabilities(
            boxes=True,
            points=True,
            masks=True,
            late_objects=True,
            backward=True,
            corrections=True,
            live=True,
            max_objects_per_pass=self._max_objects,
        )

    def open(self, video: VideoSource, *, seed: int = 0) -> FlowSession:  # noqa: ARG002
        """Begin a propagation over one video.

        Args:
            video: The video; a source whose ``num_frames`` is None is treated as live.
            seed: Accepted for the contract; nothing here is random.
        """
        window = self._window
        if video.num_frames is None:
            window = CueWindow(0, window.flow_scale, window.preset)
        return FlowSession(
            video,
            self.capabilities,
            window=window,
            follow=self._follow,
            segmenter=self._segmenter,
        )
