"""The segmenter and the propagator of a pipeline, used by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import videoseg as vs
from videoseg.errors import IncompatibleStagesError
from videoseg.propagation import check_prompt
from videoseg.stages import Direction, Propagator, Segmenter
from videoseg.types import FrameMasks, Prompt, PropagatorCapabilities, Rle, VideoSource

__all__ = ["EditStages"]

# How long models that work are waited for when they are to be freed.
_CLOSE_SECONDS = 2.0


class EditStages:
    """The stages of a pipeline that make masks, built when they are first used.

    Models are not made for several threads. Calls take turns, and a propagation gives way after
    each frame, so that a click waits for a frame at most.

    Args:
        pipeline: The pipeline.

    Attributes:
        pipeline: The pipeline.
        lock: Held while a model works. Whoever runs the pipeline itself holds it as well.
    """

    def __init__(self, pipeline: vs.Pipeline) -> None:
        self.pipeline = pipeline
        self.lock = threading.RLock()
        self._built: dict[str, object] = {}
        self._num_runs = 0

    @property
    def is_used(self) -> bool:
        """Whether a model works, or a propagation is not at its end."""
        if self._num_runs or not self.lock.acquire(blocking=False):
            return True
        self.lock.release()
        return False

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What the propagator takes and can do."""
        return self._propagator().capabilities

    def segment(self, video: VideoSource, prompt: Prompt) -> Rle:
        """Return the mask of a box or of points on its frame; empty if nothing was found.

        Without a segmenter the propagator makes it, in a session of one frame.

        Raises:
            VideosegError: If the stages cannot use such a prompt, or fail.
        """
        with self.lock:
            segmenter = self._build("segmenter")
            if segmenter is not None:
                [answer] = cast(Segmenter, segmenter).segment(video, [prompt])
                return Rle.encode(answer.mask)
            propagator = self._propagator()
            takes = propagator.capabilities
            if not ((takes.boxes and prompt.box) or (takes.points and prompt.points)):
                kinds = "boxes" if takes.boxes else "points" if takes.points else "masks"
                raise IncompatibleStagesError(
                    f"this pipeline has no segmenter, and its propagator takes {kinds} only; "
                    "choose a pipeline with a segmenter to correct masks"
                )
            with propagator.open(video) as session:
                session.prompt(prompt)
                first = next(iter(session.run(stop=prompt.frame + 1)))
                return Rle.encode(first.masks[prompt.object_id])

    def propagate(
        self, video: VideoSource, prompts: Sequence[Prompt], direction: Direction, bound: int
    ) -> Iterator[FrameMasks]:
        """Yield the masks of one run, frame by frame.

        Args:
            video: The video.
            prompts: Where the objects are.
            direction: ``forward`` or ``backward``.
            bound: The frame to stop before if it runs forward, else the last frame to yield.

        Raises:
            IncompatibleStagesError: If the propagator takes no masks.
            VideosegError: If the run fails.
        """
        with self.lock:
            self._num_runs += 1
        try:
            yield from self._propagate(video, prompts, direction, bound)
        finally:
            with self.lock:
                self._num_runs -= 1

    def prepare(self) -> None:
        """Build the stages now, so that the first click need not wait for them.

        Raises:
            VideosegError: If one cannot be built.
        """
        for stage in ("segmenter", "propagator"):
            self._build(stage)

    def close(self) -> None:
        """Free the models, unless one works on for longer than a moment.

        Grounding cannot be interrupted; a studio that ends does not wait for it.
        """
        if not self.lock.acquire(timeout=_CLOSE_SECONDS):
            return
        try:
            for stage in self._built.values():
                if isinstance(stage, vs.stages.Closable):
                    stage.close()
            self._built.clear()
            self.pipeline.close()
        finally:
            self.lock.release()

    def _propagate(
        self, video: VideoSource, prompts: Sequence[Prompt], direction: Direction, bound: int
    ) -> Iterator[FrameMasks]:
        with self.lock:
            propagator = self._propagator()
            if not propagator.capabilities.masks:
                raise IncompatibleStagesError(
                    "the propagator of this pipeline takes no masks, so that corrections cannot "
                    "be propagated; choose another pipeline for them"
                )
            for prompt in prompts:
                check_prompt(
                    prompt,
                    video.size,
                    num_frames=video.num_frames,
                    capabilities=propagator.capabilities,
                )
            session = propagator.open(video)
        try:
            with self.lock:
                for prompt in prompts:
                    session.prompt(prompt)
                frames = iter(session.run(direction, stop=bound))
            while True:
                with self.lock:
                    masks = next(frames, None)
                if masks is None:
                    return
                yield masks
        finally:
            with self.lock:
                session.close()

    def _propagator(self) -> Propagator:
        return cast(Propagator, self._build("propagator"))

    def _build(self, stage: str) -> Any:
        with self.lock:
            given = self.pipeline.stages[stage]
            if not isinstance(given, vs.Use):
                return given
            if stage not in self._built:
                registry = vs.default_registry()
                takes = registry.find(stage, given.name).component.taken_stages
                others = {kind: self._build(kind) for kind in takes}
                self._built[stage] = registry.build(stage, given.name, given.options, given=others)
            return self._built[stage]
