"""Propagation sessions that run in step, so that objects may be added and corrected on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from videoseg import Prompt, Propagator, Window
from videoseg.stages import Direction, PropagatorSession
from videoseg.types import BoolArray, FrameMasks, VideoSource

__all__ = ["Lanes"]


@dataclass(slots=True)
class _Lane:
    """One session, and its run once it has begun."""

    session: PropagatorSession
    first_frame: int
    object_ids: set[int] = field(default_factory=set)
    run: Iterator[FrameMasks] | None = None


class Lanes:
    """Follows objects frame by frame, in as many sessions as the propagator needs for them.

    A session holds as many objects as the propagator declares (``max_objects_per_pass``), and
    objects of one first frame only where it takes no late ones. A context manager.

    Args:
        propagator: The propagator.
        video: The video.
        window: The frames to stay in.
        direction: ``forward`` or ``backward``.
        seed: Seed of the sessions.
    """

    def __init__(
        self,
        propagator: Propagator,
        video: VideoSource,
        window: Window,
        *,
        direction: Direction = "forward",
        seed: int = 0,
    ) -> None:
        self._propagator = propagator
        self._video = video
        self._stop = window.stop if direction == "forward" else window.start
        self._direction: Direction = direction
        self._seed = seed
        self._lanes: list[_Lane] = []
        self._stack = ExitStack()

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lanes.clear()
        self._stack.close()

    def prompt(self, prompt: Prompt) -> None:
        """Add an object, or correct one, on the frame that comes next."""
        lane = next((one for one in self._lanes if prompt.object_id in one.object_ids), None)
        if lane is None:
            lane = self._lane_for(prompt.frame)
            lane.object_ids.add(prompt.object_id)
        lane.session.prompt(prompt)

    def advance(self, frame: int) -> Mapping[int, BoolArray]:
        """Return the masks of all objects on a frame; frames are asked for one after another.

        Args:
            frame: The next frame in the direction of the run.

        Returns:
            For each object that has been prompted, its mask of shape (H, W).
        """
        masks: dict[int, BoolArray] = {}
        for lane in self._lanes:
            if lane.run is None:
                # From its prompts on; forward that is the frame of the earliest.
                lane.run = lane.session.run(self._direction, stop=self._stop)
            made = next(lane.run, None)
            if made is not None and made.frame == frame:
                masks.update(made.masks)
        return masks

    def _lane_for(self, frame: int) -> _Lane:
        capabilities = self._propagator.capabilities
        limit = capabilities.max_objects_per_pass
        for lane in self._lanes:
            has_room = limit is None or len(lane.object_ids) < limit
            if has_room and (capabilities.late_objects or lane.first_frame == frame):
                return lane
        session = self._stack.enter_context(self._propagator.open(self._video, seed=self._seed))
        lane = _Lane(session, frame)
        self._lanes.append(lane)
        return lane
